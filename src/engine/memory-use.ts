// Measures the memory used by connections: resident bytes of this process and kernel memory, read before and
// during a run.
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

/** Computes MemoryUse.kernelBytes from the result of readMeminfo(). */
export function kernelBytesOf({ Slab = 0, PageTables = 0, KernelStack = 0 }: Record<string, number>): number {
  return Slab + PageTables + KernelStack;
}
