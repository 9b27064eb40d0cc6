// Returns memory to the kernel while keeping its buffer (madvise(2)).
import { libc, type NativeBuffer } from "./libc.js";

const SYS_MADVISE = process.arch === "x64" ? 28 : 233;
const MADV_DONTNEED = 4;

/** Returns a page-aligned part of `buffer` to the kernel, after which it reads as zeros. */
export function returnPages(buffer: NativeBuffer, offset: number, length: number): void {
  libc.syscall(SYS_MADVISE, buffer.address + offset, length, MADV_DONTNEED, 0, 0, 0);
}
