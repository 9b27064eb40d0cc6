// The memory floor: a run stops adding connections while the host still has memory left.
import { readCgroupMemory } from "../sys/cgroup.js";
import { readMeminfo } from "../sys/procfs.js";

const LEAST_BYTES = 256 * 1024 ** 2;
const LEAST_SHARE = 0.05;
// In a container of 512 MiB a floor of 256 MiB would leave nothing to work with.
const MOST_SHARE = 0.25;

export interface MemoryRoom {
  /** What could still be used, of the host or of the tightest cgroup. */
  readonly availableBytes: number;
  /** What has to stay free: the larger of 256 MiB and 5 %, yet never more than a quarter. */
  readonly floorBytes: number;
  readonly bound: "host" | "cgroup";
}

/** The memory room of the host or of the cgroup, whichever is nearer to its floor. */
export function readMemoryRoom(): MemoryRoom {
  const meminfo = readMeminfo();
  const host = roomOf("host", meminfo.MemTotal ?? 0, meminfo.MemAvailable ?? Number.POSITIVE_INFINITY);
  const group = readCgroupMemory();
  if (!group) return host;
  const inGroup = roomOf("cgroup", group.limitBytes, group.limitBytes - group.usedBytes);
  return headroom(inGroup) < headroom(host) ? inGroup : host;
}

export function isBelowFloor(room: MemoryRoom): boolean {
  return headroom(room) < 0;
}

function roomOf(bound: "host" | "cgroup", totalBytes: number, availableBytes: number): MemoryRoom {
  const floorBytes = Math.min(Math.max(LEAST_BYTES, totalBytes * LEAST_SHARE), totalBytes * MOST_SHARE);
  return { bound, availableBytes, floorBytes };
}

function headroom(room: MemoryRoom): number {
  return room.availableBytes - room.floorBytes;
}
