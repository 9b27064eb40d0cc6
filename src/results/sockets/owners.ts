// The source of socket-table rows, and the processes that own the sockets.
import { z } from "../../util/zod.js";
import { count, type TypeOf } from "../fields.js";

export const source = z.enum(["sock_diag", "bpf", "/proc/net/tcp"]);
/** The source of socket-table rows. */
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

const timeWait = count.describe(
  "sockets in TIME_WAIT, which the kernel owns, of connections accepted on a port on which only this process listens, or opened to a destination to which only this process has connections",
);
const queuedBytes = count.describe("bytes received but not read, and bytes sent but not acknowledged");

const ownerRow = owner.extend({
  sockets: count,
  listening: count,
  established: count,
  timeWait,
  queuedBytes,
  group: z
    .string()
    .optional()
    .describe("container, pod or systemd unit of the process, or the path of its cgroup; missing for the root"),
  memory: memory.optional().describe("if requested, and provided by the source"),
});
export type OwnerRow = TypeOf<typeof ownerRow>;

const ownerGroup = z.object({
  group: z.string().describe("container, pod, systemd unit, or the path or ID of a cgroup"),
  processes: count.describe("number of visible processes with sockets"),
  sockets: count,
  listening: count,
  established: count,
  timeWait,
  queuedBytes,
  notVisible: count.describe("sockets without a visible process, which were created in this cgroup"),
});
/** Sockets of all processes of a container, pod or systemd unit. */
export type OwnerGroup = TypeOf<typeof ownerGroup>;

export const ownerSummary = z.object({
  source,
  owners: z.array(ownerRow).describe("sorted by number of sockets or, with memory, by size of the queues; descending"),
  groups: z
    .array(ownerGroup)
    .describe(
      "most sockets first; processes in the root cgroup belong to no container or unit; a socket without a visible process belongs to the cgroup in which it was created, if the source provides that",
    ),
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
