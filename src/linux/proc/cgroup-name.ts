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

/**
 * Chooses among the paths of all hierarchies: v2 alone, v1 alone, or v2 beside v1.
 *
 * @param membership contents of /proc/PID/cgroup
 */
export function cgroupName(membership: string): string | undefined {
  const paths = [...membership.matchAll(/^\d+:([^:]*):(.*)$/gm)]
    .map(([, controllers, path]) => ({
      path: path!,
      // Prefer v2, then the hierarchy of systemd or another init system, then those of v1's controllers.
      rank: controllers === "" ? 0 : controllers!.startsWith("name=") ? 1 : 2,
    }))
    .filter(({ path }) => path !== "/")
    .sort((a, b) => a.rank - b.rank)
    .map(({ path }) => path);
  // A runtime that makes containers in v1 leaves their processes in its own unit in v2.
  return firstOf(paths, containerName) ?? firstOf(paths, unitName) ?? paths[0];
}

function firstOf(paths: readonly string[], nameOf: (path: string) => string | undefined): string | undefined {
  for (const path of paths) {
    const name = nameOf(path);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** Names the innermost container, pod or virtual machine. */
function containerName(path: string): string | undefined {
  // The runtime's name and the ID are separated by "/" (cgroupfs), "-" (systemd) or ":" (systemd's form, taken for a name
  // of cgroupfs). kubelet writes the pod's UID with dashes or, for systemd, with underscores.
  const container = lastMatch(
    path,
    /(?:(docker|libpod|crio|cri-containerd)[a-z-]*[/:-]|[/:-])([0-9a-f]{64})(?=\.scope|[/:]|$)/g,
  );
  const pod = lastMatch(path, /[/-]pod([0-9a-f]{8})[0-9a-f_-]+/g);
  if (container && container.index >= (pod?.index ?? 0)) {
    const [, runtime = "container", id] = container;
    const inPod = pod ? ` in pod ${pod[1]}` : "";
    return `${runtime === "libpod" ? "podman" : runtime} ${id!.slice(0, ID_LENGTH)}${inPod}`;
  }
  if (pod) return `pod ${pod[1]}`;
  // lxc.payload.NAME since LXC 4.0, lxc.payload/NAME since 3.1, lxc/NAME before.
  const lxc = /(?:^|\/)lxc(?:\.payload[./]|\/)([^/]+)/.exec(path)?.[1];
  if (lxc !== undefined) return `lxc ${lxc}`;
  const machine = /(?:^|\/)machine-([^/]+)\.scope/.exec(path)?.[1];
  return machine && `machine ${unescapeUnit(machine)}`;
}

/** Names the innermost systemd unit. */
function unitName(path: string): string | undefined {
  const unit = lastMatch(path, /[^/]+\.(?:service|scope)(?=\/|$)/g)?.[0];
  return unit && unescapeUnit(unit);
}

function lastMatch(text: string, pattern: RegExp): RegExpExecArray | undefined {
  return [...text.matchAll(pattern)].at(-1);
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
