// Counts connections per destination for runs with several of them. All workers count in shared memory, indexed by
// destination number.

import type { TuplePlan } from "../../planning/tuple-plan.js";
import type { Phase } from "../../results/fields.js";
import { STEPS } from "../../util/steps.js";

/** Maximum number of destinations to count separately. */
const MOST = 100;
const ESTABLISHED = 0;
const FAILED = 1;
const LAST_PHASE = 2;
const LAST_ERRNO = 3;
const WORDS = 4;

export interface DestinationCount {
  readonly established: number;
  readonly failed: number;
  /** Step of the last failed attempt; undefined if none failed. */
  readonly phase: Phase | undefined;
  readonly errno: number;
}

/**
 * @returns undefined for a single destination, whose counts equal those of the run, or for more than MOST
 * destinations
 */
export function allocateCounts({ groups }: TuplePlan): SharedArrayBuffer | undefined {
  const destinations = groups.reduce((sum, group) => sum + group.destinations.length, 0);
  return destinations > 1 && destinations <= MOST ? new SharedArrayBuffer(destinations * WORDS * 4) : undefined;
}

export class DestinationCounts {
  private readonly words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
  }

  established(destination: number): void {
    Atomics.add(this.words, destination * WORDS + ESTABLISHED, 1);
  }

  /**
   * @param destination negative if no destination has been chosen yet
   */
  failed(destination: number, phase: number, errno: number): void {
    if (destination < 0) return;
    const at = destination * WORDS;
    Atomics.add(this.words, at + FAILED, 1);
    this.words[at + LAST_PHASE] = phase;
    this.words[at + LAST_ERRNO] = errno;
  }

  list(): DestinationCount[] {
    return Array.from({ length: this.words.length / WORDS }, (_, destination) => {
      const word = (place: number) => this.words[destination * WORDS + place]!;
      const failed = word(FAILED);
      const phase = failed > 0 ? STEPS[word(LAST_PHASE)] : undefined;
      return { established: word(ESTABLISHED), failed, phase, errno: word(LAST_ERRNO) };
    });
  }
}
