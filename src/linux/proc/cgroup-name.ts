// Names what a process or socket belongs to, judging by its cgroup: a container, a pod, a virtual machine or a systemd
// unit. A process tells the path of its cgroup. A socket tells the ID, which is the inode of the cgroup's directory in
// the mount of cgroup2, so finding the directory means walking the hierarchy.
import { readdirSync, statfsSync, statSync } from "node:fs";
import { readText } from "./procfs.js";

/** Number of characters of a container's ID that container tools print. */
const ID_LENGTH = 12;
const CGROUP2_SUPER_MAGIC = 0x63677270;
const ROOT_ID = 1;
/** Maximum number of directories that a search visits. */
const MAX_DIRECTORIES = 10_000;

/** IDs are never used again, and a cgroup is older than anything in it, so what a search misses does not appear later. */
const known = new Map<number, string | undefined>([[ROOT_ID, undefined]]);

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

/**
 * Returns the names of cgroups as readCgroupName() does, in the given order; `cgroup 4711` for one whose directory
 * cannot be found.
 */
export function cgroupNames(ids: readonly number[]): (string | undefined)[] {
  const missing = new Set(ids.filter((id) => !known.has(id)));
  if (missing.size > 0) search(missing);
  for (const id of missing) known.set(id, `cgroup ${id}`);
  return ids.map((id) => known.get(id));
}

/** Takes from `missing` what it finds. */
function search(missing: Set<number>): void {
  const mount = cgroupMounts(readText("/proc/self/mountinfo") ?? "").find(({ point }) => isCgroup2(point));
  if (!mount) return;
  const paths = [""];
  for (let i = 0; i < paths.length && i < MAX_DIRECTORIES && missing.size > 0; i++) {
    const path = paths[i]!;
    try {
      const { ino } = statSync(`${mount.point}${path}`);
      if (missing.delete(ino)) known.set(ino, cgroupName(`0::${mount.root}${path || "/"}`));
      const entries = readdirSync(`${mount.point}${path}`, { withFileTypes: true });
      for (const entry of entries) if (entry.isDirectory()) paths.push(`${path}/${entry.name}`);
    } catch {
      // Removed meanwhile, or not readable.
    }
  }
}

/** Returns whether nothing else is mounted over the mount. */
function isCgroup2(point: string): boolean {
  try {
    return statfsSync(point).type === CGROUP2_SUPER_MAGIC;
  } catch {
    return false;
  }
}

/**
 * Returns the mounts of cgroup2, those that show most of the hierarchy first: where each is, and the path of the
 * cgroup that it shows there, which is empty for the root.
 *
 * @param mountinfo contents of /proc/PID/mountinfo (proc_pid_mountinfo(5))
 */
export function cgroupMounts(mountinfo: string): { readonly point: string; readonly root: string }[] {
  return [...mountinfo.matchAll(/^\d+ \d+ \d+:\d+ (\S+) (\S+) .* - cgroup2 /gm)]
    .map(([, root, point]) => ({ point: unescapePath(point!), root: root === "/" ? "" : unescapePath(root!) }))
    .sort((a, b) => a.root.length - b.root.length);
}

/** Decodes octal escapes of spaces and the like. */
function unescapePath(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
}
