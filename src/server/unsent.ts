// The rests of answers that their peers do not take, in chunks of one buffer for each thread, with one bound for all threads. A peer
// decides how much it reads: so it must not decide how much memory we hold for it.
import type { ConnectionTable } from "../engine/connection-table.js";
import { NativeBuffer } from "../linux/syscalls/libc.js";
import { returnPages } from "../linux/syscalls/pages.js";
import { SHARED } from "./worker-plan.js";

/** Holds all of what one read brings, and is a whole number of pages on any machine. */
const CHUNK_BYTES = 64 * 1024;
/** All threads together hold this much for peers that do not read: 64 MiB. */
const CHUNKS = 1024;
/** Chunks of a thread whose pages stay with it once they were used. */
const WARM_CHUNKS = 64;

export class Unsent {
  private readonly shared: Int32Array;
  /** Made when the first answer is blocked. Only pages that were written to take memory. */
  private region: NativeBuffer | undefined;
  private firstByte = 0;
  /** One more than the bound: another thread may take the last chunk between our look and our taking. */
  private readonly free = new Int32Array(CHUNKS + 1).map((_, index) => CHUNKS - index);
  private freeCount = CHUNKS + 1;
  /** How many chunks at the top of the stack have pages. */
  private warm = 0;
  private readonly starts = new Int32Array(CHUNKS + 1);
  private readonly ends = new Int32Array(CHUNKS + 1);
  /** By slot; -1 for none. */
  private chunks = new Int32Array(0);

  /** @param shared words of all shards, see SHARED */
  constructor(shared: Int32Array) {
    this.shared = shared;
  }

  /** Whether the rest of one more answer may be kept. */
  get hasRoom(): boolean {
    return this.freeCount > 0 && Atomics.load(this.shared, SHARED.unsentChunks) < CHUNKS;
  }

  /**
   * Keeps the bytes from `start` to `end` of `source` for `slot`, at most CHUNK_BYTES. Ask hasRoom first.
   *
   * @throws {RangeError} when this thread gets no memory at all
   */
  keep(slot: number, source: NativeBuffer, start: number, end: number): void {
    const region = this.region ?? this.openRegion();
    if (slot >= this.chunks.length) this.grow(slot);
    const chunk = this.free[--this.freeCount]!;
    if (this.warm > 0) this.warm--;
    Atomics.add(this.shared, SHARED.unsentChunks, 1);
    this.chunks[slot] = chunk;
    const at = this.firstByte + chunk * CHUNK_BYTES;
    region.bytes.set(source.bytes.subarray(start, end), at);
    this.starts[chunk] = at;
    this.ends[chunk] = at + end - start;
  }

  /** Sends what is kept for `slot`, as much as the kernel takes. @returns bytes taken, or a negative errno */
  send(slot: number, table: ConnectionTable): number {
    const chunk = this.chunks[slot]!;
    const start = this.starts[chunk]!;
    const sent = table.send(slot, this.region!, start, this.ends[chunk]! - start);
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
    if (slot >= this.chunks.length || this.chunks[slot] === -1) return;
    this.free[this.freeCount++] = this.chunks[slot]!;
    this.chunks[slot] = -1;
    Atomics.sub(this.shared, SHARED.unsentChunks, 1);
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

  private grow(slot: number): void {
    const chunks = new Int32Array(Math.max(slot + 1, this.chunks.length * 2)).fill(-1);
    chunks.set(this.chunks);
    this.chunks = chunks;
  }
}
