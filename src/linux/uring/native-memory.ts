// Manages memory outside the JavaScript heap. The memory is mapped, viewed through typed arrays, and released all
// at once. Drop all views before releasing the memory, because they would otherwise access unmapped pages.
import { isMapFailed, lastErrno, libc, nativeView } from "../syscalls/libc.js";

const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const NO_FD = -1;
const WORD_BYTES = 2 ** 32;

/** A single mapping. */
export interface Mapping {
  readonly address: number;
  readonly length: number;
  readonly buffer: ArrayBuffer;
}

/** The mappings of one owner. */
export class NativeMemory {
  private readonly mappings: Mapping[] = [];

  /**
   * Maps a region of a ring at `offset`.
   * @returns a negative errno on failure
   */
  mapRing(ring: number, length: number, offset: number): Mapping | number {
    return this.map(length, MAP_SHARED_POPULATE, ring, offset);
  }

  /**
   * Allocates zeroed, page-aligned memory.
   * @returns a negative errno if the system is out of memory
   */
  allocate(length: number): Mapping | number {
    return this.map(length, MAP_PRIVATE_ANONYMOUS, NO_FD, 0);
  }

  /** Unmaps everything. */
  release(): void {
    for (const { address, length } of this.mappings.splice(0)) libc.munmap(address, length);
  }

  private map(length: number, flags: number, fd: number, offset: number): Mapping | number {
    const address = libc.mmap(0, length, PROT_READ_WRITE, flags, fd, offset);
    if (isMapFailed(address)) return -lastErrno();
    const mapping = { address, length, buffer: nativeView(address, length) };
    this.mappings.push(mapping);
    return mapping;
  }
}

/** Writes a 64-bit address as two words. */
export function writeAddress(words: Int32Array, index: number, address: number): void {
  words[index] = address | 0;
  words[index + 1] = (address / WORD_BYTES) | 0;
}
