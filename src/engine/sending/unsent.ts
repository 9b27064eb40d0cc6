// Stores unsent bytes in chunks of one buffer per thread, with a common limit for all threads. The peer decides when to
// read, so the memory held for a peer must be bounded.

import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { returnPages } from "../../linux/syscalls/pages.js";
import { grown } from "../../protocols/columns.js";
import type { Transport } from "../../transport/contract.js";

/** Accepts bytes to send. */
export type Sender = Pick<Transport, "send">;

/** A chunk holds the data of one read, and is a whole number of pages on any machine. */
const CHUNK_BYTES = 64 * 1024;
/** Maximum number of chunks over all threads: 64 MiB for peers that do not read. */
const CHUNKS = 1024;
/** Number of threads that may take a chunk between one thread's check of the limit and its allocation. */
const TAKEN_TOGETHER = 64;
/** Maximum number of free chunks per thread whose pages are not returned to the kernel. */
const WARM_CHUNKS = 64;
/** Marks a slot without unsent bytes. */
const NONE = -1;

export class Unsent {
  private readonly shared: Int32Array;
  private readonly word: number;
  /** Allocated on first use. Only pages that have been written take memory. */
  private region: NativeBuffer | undefined;
  private firstByte = 0;
  /** One more than the limit, because another thread may have taken the last chunk after the check. */
  private readonly free = new Int32Array(CHUNKS + 1).map((_, index) => CHUNKS - index);
  private freeCount = CHUNKS + 1;
  /** Number of chunks at the top of the stack that have pages. */
  private warm = 0;
  private readonly starts = new Int32Array(CHUNKS + 1);
  private readonly ends = new Int32Array(CHUNKS + 1);
  /** Chunk of each slot. */
  private chunks = new Int32Array(0);

  /**
   * @param shared words shared by all threads
   * @param word index of the word that counts the chunks in use
   */
  constructor(shared: Int32Array, word: number) {
    this.shared = shared;
    this.word = word;
  }

  /** Whether there is room for another slot's bytes. */
  get hasRoom(): boolean {
    return this.freeCount > 0 && Atomics.load(this.shared, this.word) < CHUNKS;
  }

  /** Returns whether `slot` has unsent bytes. */
  has(slot: number): boolean {
    return slot < this.chunks.length && this.chunks[slot] !== NONE;
  }

  /**
   * Appends bytes `start` to `end` of `source` to the unsent bytes of `slot`, up to CHUNK_BYTES.
   *
   * @returns whether there was room for the bytes
   * @throws {RangeError} if memory for this thread cannot be allocated
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

  /**
   * Sends unsent bytes of `slot`.
   * @returns number of bytes sent, or a negative errno
   */
  send(slot: number, sender: Sender): number {
    const chunk = this.chunks[slot]!;
    const start = this.starts[chunk]!;
    const sent = sender.send(slot, this.region!, start, this.ends[chunk]! - start);
    if (sent > 0) this.starts[chunk] = start + sent;
    return sent;
  }

  /** Returns whether all bytes kept for `slot` have been sent. */
  isSent(slot: number): boolean {
    const chunk = this.chunks[slot]!;
    return this.starts[chunk] === this.ends[chunk];
  }

  /** Discards unsent bytes of `slot`, if any. */
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
    // Align chunks to pages, so that their pages can be returned individually.
    this.firstByte = CHUNK_BYTES - (region.address % CHUNK_BYTES);
    this.region = region;
    return region;
  }

  /**
   * Allocates a chunk for `slot`.
   * @returns whether a chunk was available
   */
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
