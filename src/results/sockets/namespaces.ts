// Socket tables of all network namespaces of the host, shared by the terminal and `ports --all-netns --json`.
import { z } from "../../util/zod.js";
import { count, milliseconds, startedAt, type TypeOf, version } from "../fields.js";
import { source } from "./owners.js";
import { pressureRow } from "./pressure.js";

const namespaceRow = z.object({
  inode: count.describe("identity of the namespace: N in net:[N] of /proc/PID/ns/net"),
  isOwn: z.boolean().describe("whether it is the namespace of `fourtuple ports` itself"),
  names: z.array(z.string()).describe("names from `ip netns`"),
  hostname: z.string().optional().describe("host name seen in it, such as the pod's or the container's, if it differs"),
  group: z
    .string()
    .optional()
    .describe("container, pod or systemd unit of the process, or the path of its cgroup; missing for the root"),
  process: z
    .object({ pid: count, command: z.string() })
    .optional()
    .describe(
      "the process with the lowest ID in the namespace; missing if only a name or sockets keep the namespace alive",
    ),
  refusedErrno: z.string().optional().describe("name of the errno if it cannot be entered; figures are then missing"),
  source: source.optional(),
  sockets: count.optional().describe("number of sockets that match the filter, including LISTEN sockets"),
  established: count.optional(),
  timeWait: count.optional(),
  listening: count.optional(),
  accepted: count.optional().describe("sockets accepted by listening sockets"),
  opened: count.optional().describe("sockets opened from there"),
  fullest: pressureRow
    .optional()
    .describe("the source and destination with the highest share of ports in use, whatever the states of the filter"),
});
export type NamespaceRow = TypeOf<typeof namespaceRow>;

export const namespacesSchema = z
  .object({
    kind: z.literal("namespaces"),
    version,
    takenAt: startedAt,
    elapsedMs: milliseconds,
    namespaces: z.array(namespaceRow).describe("most sockets first"),
    unreadable: count.describe("number of processes whose namespace cannot be read; run as root to see them"),
    isHiding: z
      .boolean()
      .describe(
        "whether other users' processes, and thus their namespaces, are hidden (/proc is mounted with hidepid)",
      ),
  })
  .meta({ title: "Namespaces", description: "Output of `fourtuple ports --all-netns --json`" });
/** Socket tables of all network namespaces. */
export interface Namespaces extends TypeOf<typeof namespacesSchema> {}
