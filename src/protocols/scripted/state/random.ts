// Generates repeatable random numbers, one sequence for each connection: mulberry32, seeded from the run's seed and
// the connection's number.
import { grown } from "../../columns.js";

export class RandomNumbers {
  private readonly seed: number;
  /**
   * State of each connection's sequence; 0 before its first number. The array is empty until a number is requested.
   */
  private states = new Uint32Array(0);

  constructor(seed: number) {
    this.seed = seed;
  }

  reset(slot: number): void {
    if (slot < this.states.length) this.states[slot] = 0;
  }

  /**
   * @returns a number of at least 0 and below 1
   */
  next(slot: number, number: number): number {
    if (slot >= this.states.length) this.states = grown(this.states, slot);
    const before = this.states[slot]!;
    const state = ((before === 0 ? seedOf(this.seed, number) : before) + 0x6d2b79f5) >>> 0;
    this.states[slot] = state === 0 ? 1 : state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** Mixes both numbers (the finalizer of MurmurHash3), so that neighbouring connections have unrelated sequences. */
function seedOf(seed: number, number: number): number {
  let hash = (Math.imul(seed, 0x9e3779b1) ^ number) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
