// What connections cost in memory: this process's resident bytes and the kernel's slabs, before and while held.
import { readMeminfo, readResidentBytes } from "../linux/proc/procfs.js";

export interface MemoryUse {
  /** Resident bytes of this process. */
  readonly residentBytes: number;
  /** Kernel memory of the whole host: slabs, page tables and kernel stacks. */
  readonly kernelBytes: number;
}

export function readMemoryUse(): MemoryUse {
  return { residentBytes: readResidentBytes() ?? 0, kernelBytes: kernelBytesOf(readMeminfo()) };
}

/** MemoryUse.kernelBytes by what readMeminfo() returns. */
export function kernelBytesOf({ Slab = 0, PageTables = 0, KernelStack = 0 }: Record<string, number>): number {
  return Slab + PageTables + KernelStack;
}
