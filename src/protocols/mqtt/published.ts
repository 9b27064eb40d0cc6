// The last message that each open connection of a run has published, shared by the run's workers. A message lost at the
// end of a sequence leaves no gap, so subscribers compare what they have received with these numbers.
import { randomBytes } from "node:crypto";

/** Shared by all workers of a run, as plain data. */
export interface PublishedPlan {
  /** Random number that distinguishes the run's stamps from those of other runs. */
  readonly publisher: number;
  /** Number of connections numbered before the first of this run. */
  readonly before: number;
  /** One word per connection, in the order of their numbers. Later connections are not tracked. */
  readonly words: SharedArrayBuffer;
}

export function planPublished(before: number, connections: number): PublishedPlan {
  return { publisher: newPublisher(), before, words: new SharedArrayBuffer(4 * connections) };
}

/** Returns a random number for Stamp.publisher. */
export function newPublisher(): number {
  return randomBytes(4).readUInt32BE();
}

export class Published {
  readonly publisher: number;
  private readonly before: number;
  /** By connection: sequence number of the first message that was not published; 0 if the connection is not open. */
  private readonly ends: Uint32Array;

  constructor({ publisher, before, words }: PublishedPlan) {
    this.publisher = publisher;
    this.before = before;
    this.ends = new Uint32Array(words);
  }

  /** Records the last message that connection `number` has published; 0 if it has published none. */
  note(number: number, sequence: number): void {
    const place = number - this.before - 1;
    if (place < this.ends.length) Atomics.store(this.ends, place, sequence + 1);
  }

  /** Returns the sequence number after the last message of connection `number`; 0 if the connection is not open. */
  endOf(number: number): number {
    return this.ends[number - this.before - 1] ?? 0;
  }
}
