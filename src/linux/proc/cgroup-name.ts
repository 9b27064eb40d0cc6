// Names what a process belongs to, judging by its cgroup: a container, a pod, a virtual machine or a systemd unit.
import { readText } from "./procfs.js";

/** Number of characters of a container's ID that container tools print. */
const ID_LENGTH = 12;

/**
 * Returns a name such as `docker 3f2a9c1b0d5e`, `pod 0f1e2d3c`, `lxc web` or `nginx.service`; the path of any other
 * cgroup; undefined for the root cgroup, or if the cgroup cannot be read.
 */
export function readCgroupName(pid: number | "self"): string | undefined {
  return cgroupName(readText(`/proc/${pid}/cgroup`) ?? "");
}

/** @param membership contents of /proc/PID/cgroup */
export function cgroupName(membership: string): string | undefined {
  const groups = [...membership.matchAll(/^\d+:([^:]*):(.*)$/gm)].map(([, controllers, path]) => ({
    path: path!,
    // Prefer v2, then systemd's own hierarchy, then a hierarchy of v1.
    rank: controllers === "" ? 0 : controllers === "name=systemd" ? 1 : 2,
  }));
  const path = groups.filter((group) => group.path !== "/").sort((a, b) => a.rank - b.rank)[0]?.path;
  return path && nameOf(path);
}

function nameOf(path: string): string {
  const container = /(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:\/|$)/.exec(path)?.[1]?.slice(0, ID_LENGTH);
  // kubelet writes the pod's UID with dashes or, for systemd, with underscores.
  const pod = /[/-]pod([0-9a-f]{8})[0-9a-f_-]+/.exec(path)?.[1];
  if (container !== undefined) {
    const runtime = /(?:^|\/)(docker|libpod|crio|cri-containerd)[/-]/.exec(path)?.[1] ?? "container";
    return `${runtime === "libpod" ? "podman" : runtime} ${container}${pod === undefined ? "" : ` in pod ${pod}`}`;
  }
  if (pod !== undefined) return `pod ${pod}`;
  const lxc = /(?:^|\/)lxc(?:\.payload\.|\/)([^/]+)/.exec(path)?.[1];
  if (lxc !== undefined) return `lxc ${lxc}`;
  const machine = /(?:^|\/)machine-([^/]+)\.scope/.exec(path)?.[1];
  if (machine !== undefined) return `machine ${unescapeUnit(machine)}`;
  const unit = /([^/]+\.(?:service|scope))(?:\/|$)/.exec(path.split("/").reverse().join("/"))?.[1];
  return unit === undefined ? path : unescapeUnit(unit);
}

/** Decodes systemd's escapes, such as `\x2d`. */
function unescapeUnit(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
}
