// Bytes that their peers do not take, in chunks of one buffer for each thread, with one bound for all threads. A peer decides how
// much it reads: so it must not decide how much memory we hold for it.

import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { returnPages } from "../../linux/syscalls/pages.js";
import { grown } from "../../protocols/columns.js";
import type { Transport } from "../../transport/contract.js";

/** What takes bytes to send. */
export type Sender = Pick<Transport, "send">;

/** Holds all of what one read brings, and is a whole number of pages on any machine. */
const CHUNK_BYTES = 64 * 1024;
/** All threads together hold this much for peers that do not read: 64 MiB. */
const CHUNKS = 1024;
/** Threads that may take a chunk between another's look at the bound and its taking. */
const TAKEN_TOGETHER = 64;
/** Chunks of a thread whose pages stay with it once they were used. */
const WARM_CHUNKS = 64;
/** The chunk of a slot for which nothing is kept. */
const NONE = -1;

export class Unsent {
  private readonly shared: Int32Array;
  private readonly word: number;
  /** Made when the first bytes are kept. Only pages that were written to take memory. */
  private region: NativeBuffer | undefined;
  private firstByte = 0;
  /** One more than the bound: another thread may have taken the last chunk since our look. */
  private readonly free = new Int32Array(CHUNKS + 1).map((_, index) => CHUNKS - index);
  private freeCount = CHUNKS + 1;
  /** How many chunks at the top of the stack have pages. */
  private warm = 0;
  private readonly starts = new Int32Array(CHUNKS + 1);
  private readonly ends = new Int32Array(CHUNKS + 1);
  /** By slot. */
  private chunks = new Int32Array(0);

  /** @param shared words of all threads @param word the place among them that counts the chunks in use */
  constructor(shared: Int32Array, word: number) {
    this.shared = shared;
    this.word = word;
  }

  /** Whether something may be kept for one more slot. */
  get hasRoom(): boolean {
    return this.freeCount > 0 && Atomics.load(this.shared, this.word) < CHUNKS;
  }

  /** Whether something is kept for `slot`. */
  has(slot: number): boolean {
    return slot < this.chunks.length && this.chunks[slot] !== NONE;
  }

  /**
   * Keeps the bytes from `start` to `end` of `source` for `slot`, behind those that are kept already: CHUNK_BYTES at most.
   *
   * @returns whether there was room for them
   * @throws {RangeError} when this thread gets no memory at all
   */
  keep(slot: number, source: NativeBuffer, start: number, end: number): boolean {
    const region = this.region ?? this.openRegion();
    if (!this.has(slot) && !this.take(slot)) return false;
    const chunk = this.chunks[slot]!;
    const at = this.ends[chunk]!;
    if (at + end - start > this.firstByte + (chunk + 1) * CHUNK_BYTES) return false;
    region.bytes.set(source.bytes.subarray(start, end), at);
    this.ends[chunk] = at + end - start;
    return true;
  }

  /** Sends what is kept for `slot`, as much as is taken. @returns bytes taken, or a negative errno */
  send(slot: number, sender: Sender): number {
    const chunk = this.chunks[slot]!;
    const start = this.starts[chunk]!;
    const sent = sender.send(slot, this.region!, start, this.ends[chunk]! - start);
    if (sent > 0) this.starts[chunk] = start + sent;
    return sent;
  }

  /** Whether all that was kept for `slot` is sent. */
  isSent(slot: number): boolean {
    const chunk = this.chunks[slot]!;
    return this.starts[chunk] === this.ends[chunk];
  }

  /** Forgets what is kept for `slot`, if anything is. */
  drop(slot: number): void {
    if (!this.has(slot)) return;
    this.free[this.freeCount++] = this.chunks[slot]!;
    this.chunks[slot] = NONE;
    Atomics.sub(this.shared, this.word, 1);
    this.warm++;
    if (this.warm <= WARM_CHUNKS) return;
    const coldest = this.free[this.freeCount - this.warm]!;
    returnPages(this.region!, this.firstByte + coldest * CHUNK_BYTES, CHUNK_BYTES);
    this.warm--;
  }

  private openRegion(): NativeBuffer {
    const region = new NativeBuffer((CHUNKS + 2) * CHUNK_BYTES);
    // Pages can be given back one by one only where chunks begin with a page.
    this.firstByte = CHUNK_BYTES - (region.address % CHUNK_BYTES);
    this.region = region;
    return region;
  }

  /** Takes a chunk for `slot`. @returns whether there was one */
  private take(slot: number): boolean {
    if (this.freeCount === 0 || Atomics.load(this.shared, this.word) >= CHUNKS + TAKEN_TOGETHER) return false;
    if (slot >= this.chunks.length) {
      const length = this.chunks.length;
      this.chunks = grown(this.chunks, slot).fill(NONE, length);
    }
    const chunk = this.free[--this.freeCount]!;
    if (this.warm > 0) this.warm--;
    Atomics.add(this.shared, this.word, 1);
    this.chunks[slot] = chunk;
    this.starts[chunk] = this.ends[chunk] = this.firstByte + chunk * CHUNK_BYTES;
    return true;
  }
}
