// Reads clocks of the kernel that Node has no functions for (clock_gettime(2)). The files in /proc with these times need
// a descriptor, and runs use up descriptors.
import { libc, NativeBuffer } from "./syscalls/libc.js";

const CLOCK_THREAD_CPUTIME_ID = 3;
const CLOCK_BOOTTIME = 7;

/** struct timespec: seconds and nanoseconds, 64 bits each. */
const time = new NativeBuffer(16);

/** Returns the CPU time of the calling thread in milliseconds. */
export function readThreadCpuMs(): number {
  return readMs(CLOCK_THREAD_CPUTIME_ID);
}

/** Returns the time since boot in milliseconds. Unlike performance.now(), it includes the time in which the machine slept. */
export function readBootMs(): number {
  return readMs(CLOCK_BOOTTIME);
}

function readMs(clock: number): number {
  // Every kernel that Node runs on has these clocks, so the call does not fail.
  libc.clock_gettime(clock, time.address);
  return Number(time.bytes.readBigInt64LE(0)) * 1000 + Number(time.bytes.readBigInt64LE(8)) / 1e6;
}
