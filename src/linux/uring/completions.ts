// Reads a ring's completions in place, without allocating objects.
import { CQE, PARAMS, SQ_CQ_OVERFLOW } from "./abi.js";

export const NO_WORDS = new Int32Array(0);

/**
 * Completions found by the last enter() or submit(), by index: resultAt(0) to resultAt(ready - 1). The completions'
 * user data consists of two words: the slot and the tag passed to push().
 */
export abstract class Completions {
  /** Number of available completions, as of the last enter(). */
  ready = 0;
  /** Whether completions are waiting in the kernel for room in the queue, as of the last enter(). */
  hasOverflow = false;
  /** Number of times that completions had to wait in the kernel for room in the queue. None are lost. */
  overflows = 0;
  protected queue: Int32Array = NO_WORDS;
  protected readonly sqFlagsWord: number;
  private cqHead = 0;
  private readonly cqMask: number;
  private readonly cqHeadWord: number;
  private readonly cqTailWord: number;
  private readonly cqesWord: number;
  private readonly cqOverflowWord: number;

  constructor(params: Buffer) {
    const word = (offset: number): number => params.readUInt32LE(offset) / 4;
    this.sqFlagsWord = word(PARAMS.sqFlags);
    this.cqMask = params.readUInt32LE(PARAMS.cqEntries) - 1;
    this.cqHeadWord = word(PARAMS.cqHead);
    this.cqTailWord = word(PARAMS.cqTail);
    this.cqesWord = word(PARAMS.cqes);
    this.cqOverflowWord = word(PARAMS.cqOverflow);
  }

  /** Returns the slot of completion `index`. */
  slotAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words]!;
  }

  /** Returns the tag of completion `index`. */
  tagAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.userData + 1]!;
  }

  /** Returns the result of completion `index`: that of the system call, or a negative errno. */
  resultAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.result]!;
  }

  /** Returns the CQE_FLAG bits of completion `index`, with the ID of its provided buffer. */
  flagsAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.flags]!;
  }

  /** Number of further completions that fit into the queue. */
  get completionRoom(): number {
    return this.cqMask + 1 - this.ready;
  }

  /** Replaces the tag of completion `index`, to mark it as handled out of order. */
  retag(index: number, tag: number): void {
    this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.userData + 1] = tag;
  }

  /** Consumes the first `count` completions. The next completion then has index 0. */
  advance(count: number): void {
    // The ring may have been closed in the meantime.
    if (this.ready === 0) return;
    this.cqHead = (this.cqHead + count) | 0;
    this.ready -= count;
    Atomics.store(this.queue, this.cqHeadWord, this.cqHead);
  }

  /**
   * Copies all available completions and consumes them, so that the queue has room for the completions of the next
   * submission.
   * @param to room for a full queue; see CQE for the words of each
   * @returns number of completions copied
   */
  takeAll(to: Int32Array): number {
    const { queue, cqesWord, cqMask, cqHead, ready } = this;
    for (let i = 0; i < ready; i++) {
      const from = cqesWord + ((cqHead + i) & cqMask) * CQE.words;
      const at = i * CQE.words;
      to[at] = queue[from]!;
      to[at + 1] = queue[from + 1]!;
      to[at + 2] = queue[from + 2]!;
      to[at + 3] = queue[from + 3]!;
    }
    this.advance(ready);
    return ready;
  }

  /** Number of completions lost because the kernel ran out of memory. */
  get dropped(): number {
    return this.queue[this.cqOverflowWord] ?? 0;
  }

  /** Whether completions have been posted since the last enter(), as happens without IORING_SETUP_DEFER_TASKRUN. */
  protected get hasUnseen(): boolean {
    return this.queue[this.cqTailWord] !== ((this.cqHead + this.ready) | 0);
  }

  protected begin(queue: Int32Array): void {
    this.queue = queue;
    this.cqHead = queue[this.cqHeadWord]!;
  }

  /** Updates the number of available completions. */
  protected refresh(): void {
    const { queue } = this;
    this.ready = (Atomics.load(queue, this.cqTailWord) - this.cqHead) | 0;
    this.hasOverflow = (Atomics.load(queue, this.sqFlagsWord) & SQ_CQ_OVERFLOW) !== 0;
    if (this.hasOverflow) this.overflows++;
  }

  /** Drops all views of the closed ring. Writing to unmapped memory would crash the process. */
  protected end(): void {
    this.ready = 0;
    this.queue = NO_WORDS;
  }
}
