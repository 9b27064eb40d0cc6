// Accepts connections in batches when they arrive quickly. Waking a thread for a connection costs the kernel more than
// the thread spends on accepting it, so a thread that has just accepted some pauses briefly while more accumulate in
// the accept queue.

/**
 * Length of a pause. Greetings are delayed by as much anyway while the cores are busy. A pause also delays events on
 * the thread's existing connections.
 */
const GATHER_MS = 0.5;
/** Arrivals count as fast if the thread had to accept again within this time. */
const FAST_MS = 1;
/** Minimum number of connections accepted by all threads for which a pause pays off. */
const LEAST_BATCH = 12;
/**
 * Time to accept without pauses after a smaller batch, for example from clients that open connections one at a time.
 */
const SINGLY_MS = 20;
/** Minimum accept queue length for batching. A shorter queue could overflow during a pause. */
const LEAST_BACKLOG = 1024;

export class AcceptBatching {
  private readonly isOff: boolean;
  private readonly accepted: Int32Array;
  private readonly never = new Int32Array(new SharedArrayBuffer(4));
  /** Time at which this thread last finished accepting and pausing. */
  private readyMs = 0;
  private singlyUntilMs = 0;
  /** Number of connections accepted by all threads when this one started its pause; undefined if it did not pause. */
  private takenBefore: number | undefined;

  /** @param accepted number of connections accepted by all workers so far, modulo 2^32: one shared word */
  constructor(accepted: Int32Array, backlog: number) {
    this.accepted = accepted;
    this.isOff = backlog < LEAST_BACKLOG;
  }

  /**
   * Pauses if that is worthwhile.
   *
   * @param count number of connections that this thread has just accepted
   * @param areMore whether the accept queue may already hold more
   * @returns whether it paused
   */
  gather(count: number, areMore: boolean): boolean {
    if (count === 0 || this.isOff) return false;
    const taken = Atomics.add(this.accepted, 0, count) + count;
    const now = performance.now();
    // The counters are 32-bit and wrap around.
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
