// Source of socket-table rows, and the processes that own the sockets.
import { z } from "../../util/zod.js";
import { count, type TypeOf } from "../fields.js";

export const source = z.enum(["sock_diag", "bpf", "/proc/net/tcp"]);
/** Source of socket-table rows. */
export type SourceName = TypeOf<typeof source>;

export const owner = z.object({ pid: count, command: z.string().describe("name of the process (/proc/PID/comm)") });
export type Owner = TypeOf<typeof owner>;

const memory = z.object({
  receiveAllocBytes: count.describe("bytes received but not read (rmem_alloc)"),
  sendQueuedBytes: count.describe("bytes written but not acknowledged (wmem_queued)"),
  chargedBytes: count.describe("sum of these, forward allocations, options and backlog"),
});
/** Kernel memory of a process's sockets in bytes. */
export type OwnerMemory = TypeOf<typeof memory>;

const ownerRow = owner.extend({
  sockets: count,
  listening: count,
  established: count,
  memory: memory.optional().describe("if requested, and provided by the source"),
});
export type OwnerRow = TypeOf<typeof ownerRow>;

export const ownerSummary = z.object({
  source,
  owners: z.array(ownerRow).describe("sorted by number of sockets or, with memory, by size of the queues; descending"),
  notVisible: count.describe(
    "sockets with an inode that belongs to no visible descriptor or io_uring: in flight, or another user's",
  ),
  unownedMemory: memory.optional().describe("memory of sockets without a visible owner and of kernel-owned sockets"),
  ringHolders: z.array(owner).describe("processes with an io_uring whose sockets are not listed"),
  kernelOwned: count.describe("sockets without an inode: TIME_WAIT, orphans, requests in the SYN queue"),
  unreadable: count.describe("number of processes whose descriptors cannot be read (run as root to see them)"),
  isHiding: z
    .boolean()
    .describe("whether other users' processes are not listed (hidepid), and therefore not counted as unreadable"),
});
export type OwnerSummary = TypeOf<typeof ownerSummary>;
