// Memory that goes back to the kernel while its buffer stays (man 2 madvise).
import { libc, type NativeBuffer } from "./libc.js";

const SYS_MADVISE = process.arch === "x64" ? 28 : 233;
const MADV_DONTNEED = 4;

/** Gives the pages of a part of `buffer` back, which begins with a page; it reads as zeros from then on. */
export function returnPages(buffer: NativeBuffer, offset: number, length: number): void {
  libc.syscall(SYS_MADVISE, buffer.address + offset, length, MADV_DONTNEED, 0, 0, 0);
}
