// Where rows of the socket table come from, and the processes that have the sockets.
import { z } from "../../util/zod.js";
import { count, type TypeOf } from "../fields.js";

export const source = z.enum(["sock_diag", "/proc/net/tcp"]);
/** Where rows of the socket table came from. */
export type SourceName = TypeOf<typeof source>;

export const owner = z.object({ pid: count, command: z.string().describe("the process's name (/proc/PID/comm)") });
export type Owner = TypeOf<typeof owner>;

const memory = z.object({
  receiveAllocBytes: count.describe("received and not read yet (rmem_alloc)"),
  sendQueuedBytes: count.describe("written and not acknowledged yet (wmem_queued)"),
  chargedBytes: count.describe("these, what is reserved ahead, options and backlog"),
});
/** Kernel memory of a process's sockets in bytes. */
export type OwnerMemory = TypeOf<typeof memory>;

const ownerRow = owner.extend({
  sockets: count,
  listening: count,
  established: count,
  memory: memory.optional().describe("when asked for, where the source tells it"),
});
export type OwnerRow = TypeOf<typeof ownerRow>;

export const ownerSummary = z.object({
  source,
  owners: z.array(ownerRow).describe("most sockets first; with memory, those with most in their queues"),
  notVisible: count.describe(
    "sockets with an inode that no visible descriptor or io_uring leads to: in flight, or another user's",
  ),
  unownedMemory: memory
    .optional()
    .describe("of the sockets without a visible owner and of those that belong to the kernel"),
  ringHolders: z.array(owner).describe("processes with an io_uring that does not tell its sockets"),
  kernelOwned: count.describe("sockets without an inode: TIME_WAIT, orphans, requests in the SYN queue"),
  unreadable: count.describe("processes whose descriptors may not be read (run as root to see them)"),
  isHiding: z
    .boolean()
    .describe("other users' processes are not even listed (hidepid), and so not among the unreadable"),
});
export type OwnerSummary = TypeOf<typeof ownerSummary>;
