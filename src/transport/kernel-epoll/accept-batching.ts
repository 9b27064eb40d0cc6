// Connections that come fast are accepted in batches. To wake a thread for each costs the kernel more than what the thread then does: so
// one that has just accepted some stands still for a moment, in which others gather in the accept queue.

/**
 * How long connections gather: no more than a greeting waits for anyway while the cores are busy. What comes meanwhile over
 * connections that this thread has waits as long.
 */
const GATHER_MS = 0.5;
/** They come fast when the thread had to accept again so soon. */
const FAST_MS = 1;
/** So many in a batch, of all threads, make up for the wait. */
const LEAST_BATCH = 12;
/** Where a batch was smaller, as with clients that open one after the other, each is taken when it comes for so long. */
const SINGLY_MS = 20;
/** A shorter accept queue is not to fill meanwhile. */
const LEAST_BACKLOG = 1024;

export class AcceptBatching {
  private readonly isOff: boolean;
  private readonly accepted: Int32Array;
  private readonly never = new Int32Array(new SharedArrayBuffer(4));
  /** When this thread was last done with accepting and gathering. */
  private readyMs = 0;
  private singlyUntilMs = 0;
  /** What all threads had accepted when this one began to stand still; undefined when it did not. */
  private takenBefore: number | undefined;

  /** @param accepted how many all workers have accepted so far: one word, shared, round at 2^32 */
  constructor(accepted: Int32Array, backlog: number) {
    this.accepted = accepted;
    this.isOff = backlog < LEAST_BACKLOG;
  }

  /**
   * Lets connections gather if that is worth it.
   *
   * @param count how many this thread has just accepted
   * @param areMore there may be others in the accept queue already
   * @returns whether it stood still
   */
  gather(count: number, areMore: boolean): boolean {
    if (count === 0 || this.isOff) return false;
    const taken = Atomics.add(this.accepted, 0, count) + count;
    const now = performance.now();
    // The words are of 32 bits, and go round.
    const batch = this.takenBefore === undefined ? LEAST_BATCH : (taken - this.takenBefore) | 0;
    if (batch < LEAST_BATCH) this.singlyUntilMs = now + SINGLY_MS;
    const isFast = now - this.readyMs < FAST_MS;
    const gathers = isFast && !areMore && now >= this.singlyUntilMs;
    this.takenBefore = gathers ? taken : undefined;
    if (gathers) Atomics.wait(this.never, 0, 0, GATHER_MS);
    this.readyMs = gathers ? performance.now() : now;
    return gathers;
  }
}
