// Returns memory to the kernel while keeping its buffer (madvise(2)).
import { addressOf, libc, type NativeBuffer } from "./libc.js";

const SYS_MADVISE = process.arch === "x64" ? 28 : 233;
const MADV_DONTNEED = 4;
/** At least the size of a page on every architecture. */
const PAGE_BYTES = 65_536;

/** Returns a page-aligned part of `buffer` to the kernel, after which it reads as zeros. */
export function returnPages(buffer: NativeBuffer, offset: number, length: number): void {
  adviseUnneeded(buffer.address + offset, length);
}

/**
 * Returns the memory of an array that will never be read again, except its edges. Otherwise, the memory would stay
 * until a garbage collection, which a thread that allocates nothing never causes.
 */
export function discard({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
  if (byteLength < 4 * PAGE_BYTES) return;
  const address = addressOf(new Uint8Array(buffer, byteOffset, byteLength));
  const first = Math.ceil(address / PAGE_BYTES) * PAGE_BYTES;
  const end = Math.floor((address + byteLength) / PAGE_BYTES) * PAGE_BYTES;
  adviseUnneeded(first, end - first);
}

function adviseUnneeded(address: number, length: number): void {
  libc.syscall(SYS_MADVISE, address, length, MADV_DONTNEED, 0, 0, 0);
}
