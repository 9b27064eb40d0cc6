// The memory floor: makes a run stop adding connections before the host runs out of memory.

import { readCgroupMemory } from "../linux/proc/cgroup.js";
import { readMeminfo, readSockstat } from "../linux/proc/procfs.js";
import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import type { CgroupMemoryFile, MemoryRoom } from "../results/evidence.js";

const LEAST_BYTES = 256 * 1024 ** 2;
const LEAST_SHARE = 0.05;
// In a 512 MiB container, a floor of 256 MiB would leave too little to use.
const MOST_SHARE = 0.25;
/**
 * Inode (832 B) and dentry (192 B) of an open socket. MemAvailable counts the slabs of both as reclaimable, but they
 * cannot be reclaimed while the socket is open. Other files have about as much.
 */
const PINNED_BYTES_PER_FILE = 1024;

/** Headroom to assume if memory cannot be read, so that the run continues. */
const UNSEEN: MemoryRoom = { bound: "host", availableBytes: Number.POSITIVE_INFINITY, floorBytes: 0 };

/** Returns the memory headroom of the host or the cgroup, whichever is closer to its floor. */
export function readMemoryRoom(meminfo = readMeminfo()): MemoryRoom {
  const host = readHostRoom(meminfo) ?? UNSEEN;
  const group = readCgroupRoom();
  return group && roomAboveFloor(group) < roomAboveFloor(host) ? group : host;
}

/** Returns the memory headroom of the host; undefined if it cannot be read. */
export function readHostRoom({ MemTotal, MemAvailable } = readMeminfo()): MemoryRoom | undefined {
  if (MemTotal === undefined || MemAvailable === undefined) return undefined;
  // /proc/net/sockstat counts the sockets of a single network namespace only.
  const [files] = readSysctlNumbers("fs.file-nr") ?? [];
  const pinned = (files ?? readSockstat()["sockets.used"] ?? 0) * PINNED_BYTES_PER_FILE;
  return { bound: "host", availableBytes: MemAvailable - pinned, floorBytes: floorOf(MemTotal) };
}

/**
 * Returns the memory headroom of the tightest cgroup around this process; undefined if no cgroup limits memory.
 *
 * @param files limits to consider; by default, all of them
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

/** Returns the number of bytes of `totalBytes` that must stay free. */
export function floorOf(totalBytes: number): number {
  return Math.min(Math.max(LEAST_BYTES, totalBytes * LEAST_SHARE), totalBytes * MOST_SHARE);
}

export function isBelowFloor(room: MemoryRoom): boolean {
  return roomAboveFloor(room) < 0;
}

/** Number of bytes that may still be used. */
export function roomAboveFloor({ availableBytes, floorBytes }: MemoryRoom): number {
  return availableBytes - floorBytes;
}
