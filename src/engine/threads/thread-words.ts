// Memory shared by a thread and the main thread for the thread's lifetime, across workers: the state of its descriptor
// table and the descriptors of its event loop.

export const THREAD = {
  /** One of BARRIER, which synchronizes the thread with the main thread while the descriptor table is copied. */
  barrier: 0,
  /** 1 if the thread has no private descriptor table. */
  tableShared: 1,
  /** Descriptors of the thread's event loop, which remain in the main thread's table; 0 if unknown. */
  loopDescriptors: 2,
} as const;

export const BARRIER = { requested: 1, open: 2, passed: 3 } as const;
const LOOP_DESCRIPTORS = 7;
// The thread passes the barrier within a millisecond plus about 10 µs per descriptor of this process, unless it is not
// scheduled.
const BARRIER_WAIT_MS = 1000;

export class ThreadWords {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;

  constructor(buffer = new SharedArrayBuffer((THREAD.loopDescriptors + LOOP_DESCRIPTORS) * 4)) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
  }

  get isTableShared(): boolean {
    return Atomics.load(this.words, THREAD.tableShared) === 1;
  }

  shareTable(): void {
    Atomics.store(this.words, THREAD.tableShared, 1);
  }

  /**
   * Blocks the main thread while the thread copies the descriptor table and closes descriptors that it does not own.
   * Returns at once if the thread has timed out waiting and has gone ahead.
   */
  letPass(): void {
    const { words } = this;
    if (Atomics.compareExchange(words, THREAD.barrier, BARRIER.requested, BARRIER.open) !== BARRIER.requested) return;
    Atomics.notify(words, THREAD.barrier);
    Atomics.wait(words, THREAD.barrier, BARRIER.open, BARRIER_WAIT_MS);
  }

  get loopDescriptors(): number[] {
    return [...this.words.subarray(THREAD.loopDescriptors)].filter((fd) => fd > 0);
  }

  set loopDescriptors(fds: readonly number[]) {
    this.words.fill(0, THREAD.loopDescriptors);
    this.words.set(fds.slice(0, LOOP_DESCRIPTORS), THREAD.loopDescriptors);
  }
}
