// The memory floor: a run stops adding connections while the host still has memory left.

import { readCgroupMemory } from "../linux/proc/cgroup.js";
import { readMeminfo, readSockstat } from "../linux/proc/procfs.js";
import type { CgroupMemoryFile, MemoryRoom } from "../results/evidence.js";

const LEAST_BYTES = 256 * 1024 ** 2;
const LEAST_SHARE = 0.05;
// In a container of 512 MiB a floor of 256 MiB would leave nothing to work with.
const MOST_SHARE = 0.25;
/**
 * Inode (832 B) and dentry (192 B) of an open socket: their slabs count as reclaimable, and so into MemAvailable, which
 * they are not while the socket is open.
 */
const PINNED_BYTES_PER_SOCKET = 1024;

/** Memory that cannot be read stops no run. */
const UNSEEN: MemoryRoom = { bound: "host", availableBytes: Number.POSITIVE_INFINITY, floorBytes: 0 };

/** The memory room of the host or of the cgroup, whichever is nearer to its floor. */
export function readMemoryRoom(meminfo = readMeminfo()): MemoryRoom {
  const host = readHostRoom(meminfo) ?? UNSEEN;
  const group = readCgroupRoom();
  return group && roomAboveFloor(group) < roomAboveFloor(host) ? group : host;
}

/** The memory room of the whole host; undefined when it may not be read. */
export function readHostRoom({ MemTotal, MemAvailable } = readMeminfo()): MemoryRoom | undefined {
  if (MemTotal === undefined || MemAvailable === undefined) return undefined;
  const pinned = (readSockstat()["sockets.used"] ?? 0) * PINNED_BYTES_PER_SOCKET;
  return { bound: "host", availableBytes: MemAvailable - pinned, floorBytes: floorOf(MemTotal) };
}

/**
 * The memory room of the tightest cgroup over this process; undefined when none limits memory.
 *
 * @param files the limits that count; default all
 */
export function readCgroupRoom(files?: readonly CgroupMemoryFile[]): MemoryRoom | undefined {
  const group = readCgroupMemory(undefined, undefined, files);
  if (!group) return undefined;
  return {
    bound: "cgroup",
    limit: group.file,
    availableBytes: group.limitBytes - group.usedBytes,
    floorBytes: floorOf(group.limitBytes),
  };
}

/** What has to stay free of `totalBytes`. */
export function floorOf(totalBytes: number): number {
  return Math.min(Math.max(LEAST_BYTES, totalBytes * LEAST_SHARE), totalBytes * MOST_SHARE);
}

export function isBelowFloor(room: MemoryRoom): boolean {
  return roomAboveFloor(room) < 0;
}

/** Bytes that may still be used. */
export function roomAboveFloor({ availableBytes, floorBytes }: MemoryRoom): number {
  return availableBytes - floorBytes;
}
