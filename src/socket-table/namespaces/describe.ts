// Describes a network namespace: its names, and the host name, cgroup and process that identify a container or pod.
import { hostname } from "node:os";
import { readCgroupName } from "../../linux/proc/cgroup-name.js";
import { readCommand } from "../../linux/proc/descriptors.js";
import type { NetNamespace } from "../../linux/proc/net-namespaces.js";
import { readHostnameOf } from "../../linux/syscalls/net-namespace.js";
import type { NamespaceRow } from "../../results/sockets/namespaces.js";

export type NamespaceIdentity = Pick<NamespaceRow, "inode" | "isOwn" | "names" | "hostname" | "group" | "process">;

export async function describeNamespace({ inode, isOwn, names, pid }: NetNamespace): Promise<NamespaceIdentity> {
  const row = { inode, isOwn, names };
  if (isOwn || pid === undefined) return row;
  const name = await readHostnameOf(pid);
  const command = readCommand(pid);
  return {
    ...row,
    hostname: name === hostname() ? undefined : name,
    group: readCgroupName(pid),
    process: command === undefined ? undefined : { pid, command },
  };
}
