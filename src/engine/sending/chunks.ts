// Divides a buffer per thread into chunks of several sizes, with a common limit for all threads. The buffer consists of
// blocks, each of which holds chunks of one size. A block whose chunks are all free can take another size.

import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { returnPages } from "../../linux/syscalls/pages.js";

/** Sizes of chunks, so that a short message does not take the memory of a long one. */
const SIZES = [64, 256, 1024, 4096, 16_384, 65_536] as const;
const UNIT_BYTES = SIZES[0];
/** A block is as long as the longest chunk, and a whole number of pages on any machine. */
export const BLOCK_BYTES = 65_536;
/** Maximum number of blocks over all threads: 64 MiB for peers that do not read. */
export const BLOCKS = 1024;
const UNITS_PER_BLOCK = BLOCK_BYTES / UNIT_BYTES;
/** One more than the limit, because another thread may have taken the last block after the check. */
const OWN_BLOCKS = BLOCKS + 1;
/** Number of threads that may take a block between one thread's check of the limit and its allocation. */
const TAKEN_TOGETHER = 64;
/** Maximum number of free blocks per thread whose pages are not returned to the kernel. */
const WARM_BLOCKS = 64;
/** Returned if no chunk is free; also ends lists. */
export const NONE = -1;

export class Chunks {
  /** By chunk: range of its bytes in use, as offsets into the buffer, for its owner. */
  starts = new Uint32Array(0);
  ends = new Uint32Array(0);
  private readonly shared: Int32Array;
  private readonly word: number;
  /** Allocated on first use. */
  private region: NativeBuffer | undefined;
  private firstByte = 0;
  private readonly free = new Int16Array(OWN_BLOCKS).map((_, index) => BLOCKS - index);
  private freeCount = OWN_BLOCKS;
  /** Number of blocks at the top of the stack that have pages. */
  private warm = 0;
  /** Per block: index of its chunks' size, number of chunks in use, and first free unit. */
  private readonly kinds = new Uint8Array(OWN_BLOCKS);
  private readonly used = new Uint16Array(OWN_BLOCKS);
  private readonly firstFree = new Int32Array(OWN_BLOCKS);
  /** Per free chunk, by its first unit: next free unit of its block. */
  private nextFree = new Int32Array(0);
  /** By size: first block that has both free and used chunks. These blocks are linked in both directions. */
  private readonly partial = new Int16Array(SIZES.length).fill(NONE);
  private readonly next = new Int16Array(OWN_BLOCKS);
  private readonly previous = new Int16Array(OWN_BLOCKS);

  /**
   * @param shared words shared by all threads
   * @param word index of the word that counts the blocks in use
   */
  constructor(shared: Int32Array, word: number) {
    this.shared = shared;
    this.word = word;
  }

  /** Whether there is room for a chunk of any size. */
  get hasRoom(): boolean {
    return this.freeCount > 0 && Atomics.load(this.shared, this.word) < BLOCKS;
  }

  /** The buffer that contains all chunks. */
  get buffer(): NativeBuffer {
    return this.region!;
  }

  /**
   * Allocates a chunk.
   *
   * @param bytes size that it must have at least, up to BLOCK_BYTES
   * @returns number of the chunk; NONE if none is free
   * @throws {RangeError} if memory for this thread cannot be allocated
   */
  take(bytes: number): number {
    if (!this.region) this.openRegion();
    let kind = 0;
    while (SIZES[kind]! < bytes) kind++;
    const block = this.partial[kind] === NONE ? this.openBlock(kind) : this.partial[kind]!;
    if (block === NONE) return NONE;
    const chunk = this.firstFree[block]!;
    this.firstFree[block] = this.nextFree[chunk]!;
    this.used[block]! += 1;
    if (this.firstFree[block] === NONE) this.unlink(block);
    return chunk;
  }

  /** Returns the offset of the chunk in the buffer. */
  offsetOf(chunk: number): number {
    return this.firstByte + blockOf(chunk) * BLOCK_BYTES + Math.floor(chunk / OWN_BLOCKS) * UNIT_BYTES;
  }

  sizeOf(chunk: number): number {
    return SIZES[this.kinds[blockOf(chunk)]!]!;
  }

  /** Frees a chunk. */
  give(chunk: number): void {
    const block = blockOf(chunk);
    if (this.firstFree[block] === NONE) this.link(block);
    this.nextFree[chunk] = this.firstFree[block]!;
    this.firstFree[block] = chunk;
    this.used[block]! -= 1;
    if (this.used[block] === 0) this.closeBlock(block);
  }

  /** Pages that are never written take no memory, in the buffer and in the arrays. */
  private openRegion(): void {
    this.region = new NativeBuffer((BLOCKS + 2) * BLOCK_BYTES);
    // Align blocks to pages, so that their pages can be returned individually.
    this.firstByte = BLOCK_BYTES - (this.region.address % BLOCK_BYTES);
    const units = OWN_BLOCKS * UNITS_PER_BLOCK;
    this.nextFree = new Int32Array(units);
    this.starts = new Uint32Array(units);
    this.ends = new Uint32Array(units);
  }

  /**
   * Fills a free block with chunks.
   * @returns the block, or NONE
   */
  private openBlock(kind: number): number {
    if (this.freeCount === 0 || Atomics.load(this.shared, this.word) >= BLOCKS + TAKEN_TOGETHER) return NONE;
    const block = this.free[--this.freeCount]!;
    if (this.warm > 0) this.warm--;
    Atomics.add(this.shared, this.word, 1);
    this.kinds[block] = kind;
    const step = SIZES[kind]! / UNIT_BYTES;
    const last = chunkAt(block, UNITS_PER_BLOCK - step);
    for (let unit = 0; unit < UNITS_PER_BLOCK; unit += step) {
      const chunk = chunkAt(block, unit);
      this.nextFree[chunk] = chunk === last ? NONE : chunkAt(block, unit + step);
    }
    this.firstFree[block] = chunkAt(block, 0);
    this.link(block);
    return block;
  }

  private closeBlock(block: number): void {
    this.unlink(block);
    this.free[this.freeCount++] = block;
    Atomics.sub(this.shared, this.word, 1);
    this.warm++;
    if (this.warm <= WARM_BLOCKS) return;
    const coldest = this.free[this.freeCount - this.warm]!;
    returnPages(this.region!, this.firstByte + coldest * BLOCK_BYTES, BLOCK_BYTES);
    this.warm--;
  }

  private link(block: number): void {
    const kind = this.kinds[block]!;
    const first = this.partial[kind]!;
    this.previous[block] = NONE;
    this.next[block] = first;
    if (first !== NONE) this.previous[first] = block;
    this.partial[kind] = block;
  }

  private unlink(block: number): void {
    const previous = this.previous[block]!;
    const next = this.next[block]!;
    if (previous === NONE) this.partial[this.kinds[block]!] = next;
    else this.next[previous] = next;
    if (next !== NONE) this.previous[next] = previous;
  }
}

/**
 * Returns the number of the chunk that starts at a unit of a block. The first units of all blocks have consecutive
 * numbers, so that long chunks take few pages of the arrays.
 */
function chunkAt(block: number, unit: number): number {
  return unit * OWN_BLOCKS + block;
}

function blockOf(chunk: number): number {
  return chunk % OWN_BLOCKS;
}
