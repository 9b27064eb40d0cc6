// Counts sockets opened and closed between two passes over the table, identifying each by an 8-byte hash of its
// 4-tuple.

import { type SocketQuery, stateMask } from "./query.js";
import type { SummaryPart } from "./sources/together.js";
import { readTable, type SocketVisit } from "./table.js";
import type { SocketView } from "./view.js";

const START_SLOTS = 1 << 12;
const SEEDS = [0x9e3779b1, 0x85ebca6b] as const;

export interface Rates {
  readonly openedPerSec: number;
  readonly closedPerSec: number;
}

/** Compares each pass over the table with the previous one. */
export class Churn implements SummaryPart {
  readonly query: SocketQuery;
  #before: TupleSet | undefined;
  #beforeMs = 0;
  #now = new TupleSet();
  #nowMs = 0;
  #kept = 0;

  constructor(query: SocketQuery) {
    // Sockets in TIME_WAIT are already closed, and listeners are not connections.
    this.query = { ...query, memory: false, states: query.states ?? stateMask(["ESTABLISHED"]), tuplesOnly: true };
  }

  /**
   * @returns undefined on the first pass, which has no previous one to compare with
   */
  async read(): Promise<Rates | undefined> {
    await readTable(this.query, () => this.begin(), 1);
    return this.rates();
  }

  begin(): SocketVisit {
    const before = this.#before;
    const now = this.#now;
    now.clear();
    this.#nowMs = performance.now();
    this.#kept = 0;
    return (socket) => {
      const ports = (socket.localPort << 16) | socket.remotePort;
      let high: number;
      let low: number;
      if (socket.family === 4) {
        const { localIpv4, remoteIpv4 } = socket;
        high = mix(mix(mix(SEEDS[0], ports), localIpv4), remoteIpv4);
        low = mix(mix(mix(SEEDS[1], ports), localIpv4), remoteIpv4);
      } else {
        high = hashIpv6(socket, ports, SEEDS[0]);
        low = hashIpv6(socket, ports, SEEDS[1]);
      }
      if (now.add(high, low) && before?.has(high, low)) this.#kept++;
    };
  }

  /**
   * Returns the rates between this pass, which is complete, and the previous one.
   *
   * @returns undefined on the first pass
   */
  rates(): Rates | undefined {
    const [before, now] = [this.#before, this.#now];
    const seconds = (this.#nowMs - this.#beforeMs) / 1000;
    this.#before = now;
    this.#now = before ?? new TupleSet(now.slots);
    this.#beforeMs = this.#nowMs;
    if (!before) return undefined;
    return { openedPerSec: (now.size - this.#kept) / seconds, closedPerSec: (before.size - this.#kept) / seconds };
  }
}

function hashIpv6(socket: SocketView, ports: number, seed: number): number {
  let value = mix(seed, ports);
  for (let i = 0; i < 4; i++) value = mix(mix(value, socket.localWord(i)), socket.remoteWord(i));
  return value;
}

/** One round of murmur3. */
function mix(hashed: number, word: number): number {
  let k = Math.imul(word | 0, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const value = hashed ^ k;
  return (Math.imul((value << 13) | (value >>> 19), 5) + 0xe6546b64) | 0;
}

/** Open addressing in a typed array: 16 bytes per socket. */
class TupleSet {
  size = 0;
  #slots: Int32Array;

  /** @param slots power of two; taking the previous set's number avoids growing again */
  constructor(slots = START_SLOTS) {
    this.#slots = new Int32Array(slots * 2);
  }

  get slots(): number {
    return this.#slots.length / 2;
  }

  clear(): void {
    this.size = 0;
    this.#slots.fill(0);
  }

  /** @returns false if the hash is already present */
  add(high: number, low: number): boolean {
    if (this.size * 2 >= this.#slots.length / 2) this.#grow();
    const at = this.#find(high, low | 1);
    if (this.#slots[at + 1] !== 0) return false;
    this.#slots[at] = high;
    // The lowest bit marks a slot as used.
    this.#slots[at + 1] = low | 1;
    this.size++;
    return true;
  }

  has(high: number, low: number): boolean {
    return this.#slots[this.#find(high, low | 1) + 1] !== 0;
  }

  #find(high: number, low: number): number {
    const mask = this.#slots.length / 2 - 1;
    for (let slot = high & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 2;
      if (this.#slots[at + 1] === 0 || (this.#slots[at] === high && this.#slots[at + 1] === low)) return at;
    }
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      const to = this.#find(old[at]!, old[at + 1]!);
      this.#slots[to] = old[at]!;
      this.#slots[to + 1] = old[at + 1]!;
    }
  }
}
