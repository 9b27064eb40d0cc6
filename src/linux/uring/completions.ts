// What a ring has completed, read where the kernel writes it: no object is made for a completion.
import { CQE, PARAMS, SQ_CQ_OVERFLOW } from "./abi.js";

export const NO_WORDS = new Int32Array(0);

/**
 * Completions that the last enter() or submit() found, by index: resultAt(0) to resultAt(ready - 1). Their user data is two words: the
 * slot and a tag, as push() was told them.
 */
export abstract class Completions {
  /** How many completions wait, as of the last enter(). */
  ready = 0;
  /** Completions wait in the kernel for room in the queue, as of the last enter(). */
  hasOverflow = false;
  /** How often completions had to wait in the kernel for room in the queue. None is lost by it. */
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

  /** The slot of completion `index`. */
  slotAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words]!;
  }

  /** The tag of completion `index`. */
  tagAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.userData + 1]!;
  }

  /** What the system call would have returned, or a negative errno. */
  resultAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.result]!;
  }

  /** CQE_FLAG bits, and the provided buffer's number. */
  flagsAt(index: number): number {
    return this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.flags]!;
  }

  /** Completions that there is room for before others have to wait in the kernel. */
  get completionRoom(): number {
    return this.cqMask + 1 - this.ready;
  }

  /** Gives completion `index` another tag: it was seen ahead of its turn. */
  retag(index: number, tag: number): void {
    this.queue[this.cqesWord + ((this.cqHead + index) & this.cqMask) * CQE.words + CQE.userData + 1] = tag;
  }

  /** Gives the places of the first `count` completions back; the index of those that follow starts again at 0. */
  advance(count: number): void {
    // A ring that was closed meanwhile has none.
    if (this.ready === 0) return;
    this.cqHead = (this.cqHead + count) | 0;
    this.ready -= count;
    Atomics.store(this.queue, this.cqHeadWord, this.cqHead);
  }

  /** Completions that the kernel could not keep for want of memory: lost. */
  get dropped(): number {
    return this.queue[this.cqOverflowWord] ?? 0;
  }

  protected begin(queue: Int32Array): void {
    this.queue = queue;
    this.cqHead = queue[this.cqHeadWord]!;
  }

  /** Sees what has completed. */
  protected look(): void {
    const { queue } = this;
    this.ready = (Atomics.load(queue, this.cqTailWord) - this.cqHead) | 0;
    this.hasOverflow = (Atomics.load(queue, this.sqFlagsWord) & SQ_CQ_OVERFLOW) !== 0;
    if (this.hasOverflow) this.overflows++;
  }

  /** The ring is closed: views of what is unmapped must not stay, writing there would end the process. */
  protected end(): void {
    this.ready = 0;
    this.queue = NO_WORDS;
  }
}
