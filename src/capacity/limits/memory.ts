// Limits on memory: of the host, of a cgroup, of TCP's budget for queued data, and of a socket's buffers.

import { roomAboveFloor } from "../../engine/memory-floor.js";
import type { MemoryRoom } from "../../results/evidence.js";
import { formatBytes } from "../../util/units.js";
import type { HostFacts } from "../host-facts.js";
import { type Limit, usageOf } from "../limit.js";
import { bytesPerConnection, chargedPerConnection, endsHere, type Load } from "../load.js";

const PAGE_BYTES = 4096;
/** Resident memory of a fourtuple client before its first connection: Node, the program and its threads. */
export const RUN_RESIDENT_BYTES = 60 * 1024 ** 2;

export const memory: Limit = {
  id: "memory",
  name: "MemAvailable",
  unit: "bytes",
  scope: "host",
  caps: "memory",
  side: "both",
  source: "Linux filesystems/proc.rst, meminfo",
  change: "more memory, or one end on another host",
  privilege: "administrator",
  pitfall:
    "most of it is kernel slab, which no process's figures include: about 4 KB per idle end, whatever the program uses",
  read: ({ memory: room }) => room?.availableBytes,
  usage: ({ memory: room, memoryBytes: of }) =>
    usageOf(room && of !== undefined ? of - room.availableBytes : undefined, of),
  describe: ({ memory: room }) =>
    room && `${formatBytes(room.availableBytes)}, ${formatBytes(room.floorBytes)} kept free`,
  allows: ({ memory: room }, load) => room && connectionsIn(room, load),
  needs: ({ memory: room }, load) => Math.ceil((room?.floorBytes ?? 0) + load.connections * bytesPerConnection(load)),
};

export const cgroupMemory: Limit = {
  id: "cgroup-memory",
  name: "memory.max",
  unit: "bytes",
  scope: "cgroup",
  caps: "memory",
  side: "both",
  source: "Linux admin-guide/cgroup-v2.rst, memory.max; cgroup-v1/memory.rst, memory.limit_in_bytes",
  change: "MemoryMax= in a systemd unit, --memory for a container",
  privilege: "administrator",
  pitfall: "sockets' kernel memory counts in full: a 512 MiB container has room for 50,000 connections, not millions",
  read: ({ cgroupMemory: room, hides }) =>
    hides.cgroupMemory ? undefined : (room?.availableBytes ?? Number.POSITIVE_INFINITY),
  usage: ({ cgroupMemory: room, cgroupMemoryLimit: of }) =>
    usageOf(room && of !== undefined ? of - room.availableBytes : undefined, of),
  ...inGroup(({ cgroupMemory: room }) => room),
};

export const cgroupHigh: Limit = {
  id: "cgroup-memory-high",
  name: "memory.high",
  unit: "bytes",
  scope: "cgroup",
  caps: "memory",
  side: "both",
  source: "Linux admin-guide/cgroup-v2.rst, memory.high",
  change: "MemoryHigh= in a systemd unit",
  privilege: "administrator",
  pitfall:
    "exceeding it causes no errors: the kernel throttles the group's allocations, and sockets cannot be reclaimed to get below it again",
  read: ({ cgroupHigh: room, hides }) =>
    hides.cgroupMemory ? undefined : (room?.availableBytes ?? Number.POSITIVE_INFINITY),
  ...inGroup(({ cgroupHigh: room }) => room),
};

export const cgroupTcpMemory: Limit = {
  id: "cgroup-tcp-memory",
  name: "memory.kmem.tcp.limit_in_bytes",
  unit: "bytes",
  scope: "cgroup",
  caps: "memory",
  side: "both",
  source: "Linux admin-guide/cgroup-v1/memory.rst, memory.kmem.tcp.limit_in_bytes",
  change: "write a higher value to it, or move to cgroup v2, which has no such limit",
  privilege: "administrator",
  pitfall: "like tcp_mem, counts only queued data, but per group: only that group's sockets come under pressure",
  read: ({ cgroupTcpMemory: group, hides }) =>
    hides.cgroupMemory ? undefined : (group?.limitBytes ?? Number.POSITIVE_INFINITY),
  usage: ({ cgroupTcpMemory: group }) => group && { used: group.usedBytes, of: group.limitBytes },
  allows: ({ cgroupTcpMemory: group }, load) => {
    if (load.messageRatePerSec === 0 || !group) return Number.POSITIVE_INFINITY;
    const pages = Math.max(0, group.limitBytes - group.usedBytes) / PAGE_BYTES;
    return Math.floor(pages / pagesPerConnection(load));
  },
  needs: ({ cgroupTcpMemory: group }, load) =>
    load.messageRatePerSec === 0 || !group
      ? undefined
      : group.usedBytes + load.connections * pagesPerConnection(load) * PAGE_BYTES,
};

/** Makes the description, allowance and requirement of a cgroup memory limit. */
function inGroup(roomOf: (facts: HostFacts) => MemoryRoom | undefined): Pick<Limit, "describe" | "allows" | "needs"> {
  return {
    describe: (facts) => {
      if (facts.hides.cgroupMemory) return undefined;
      const room = roomOf(facts);
      return room ? `${formatBytes(room.availableBytes)} left, ${formatBytes(room.floorBytes)} kept free` : "no limit";
    },
    allows: (facts, load) => {
      if (facts.hides.cgroupMemory) return undefined;
      const room = roomOf(facts);
      if (!room) return Number.POSITIVE_INFINITY;
      // This process exits before the run, so its memory is available to the run.
      const available = roomAboveFloor(room) + facts.residentBytes - RUN_RESIDENT_BYTES;
      return Math.max(0, Math.floor(available / chargedPerConnection(load)));
    },
    needs: (facts, load) => {
      const room = roomOf(facts);
      return room ? Math.ceil(room.floorBytes + load.connections * chargedPerConnection(load)) : undefined;
    },
  };
}

export const slab: Limit = {
  id: "slab",
  name: "Slab",
  unit: "bytes",
  scope: "host",
  caps: "memory",
  side: "both",
  source: "Linux filesystems/proc.rst, meminfo; slabtop(1)",
  change: "part of the host's memory; nothing to set",
  privilege: "none",
  pitfall:
    "inodes and dentries of open sockets count as reclaimable but are not: MemAvailable overstates by 1 KB per socket",
  read: ({ slabBytes }) => slabBytes,
  describe: ({ slabBytes }) => (slabBytes === undefined ? undefined : formatBytes(slabBytes)),
  needs: () => undefined,
};

export const tcpMem: Limit = {
  id: "tcp-mem",
  name: "net.ipv4.tcp_mem",
  unit: "pages",
  scope: "host",
  caps: "memory",
  side: "both",
  source: "Linux networking/ip-sysctl.rst, tcp_mem",
  change: "sysctl net.ipv4.tcp_mem",
  privilege: "CAP_NET_ADMIN",
  pitfall: "counts pages of queued data only, so idle connections use none; cannot be read in a network namespace",
  sysctl: "net.ipv4.tcp_mem",
  read: ({ tcpMem: pages }) => pages?.[2],
  usage: ({ tcpMemUsed, tcpMem: pages }) => usageOf(tcpMemUsed, pages?.[2]),
  allows: ({ tcpMem: pages, tcpMemUsed }, load) => {
    if (load.messageRatePerSec === 0) return Number.POSITIVE_INFINITY;
    return pages?.[2] === undefined || tcpMemUsed === undefined
      ? undefined
      : Math.floor((pages[2] - tcpMemUsed) / pagesPerConnection(load));
  },
  needs: ({ tcpMemUsed = 0 }, load) =>
    load.messageRatePerSec === 0 ? undefined : tcpMemUsed + load.connections * pagesPerConnection(load),
};

export const receiveBuffer: Limit = bufferLimit(
  "tcp-rmem",
  "net.ipv4.tcp_rmem",
  ({ receiveBuffer: pages }) => pages?.[2],
);
export const sendBuffer: Limit = bufferLimit("tcp-wmem", "net.ipv4.tcp_wmem", ({ sendBuffer: pages }) => pages?.[2]);

function connectionsIn(room: MemoryRoom, load: Load): number {
  return Math.max(0, Math.floor(roomAboveFloor(room) / bytesPerConnection(load)));
}

/** Worst case: every connection has one message queued at each end on this host. */
function pagesPerConnection(load: Load): number {
  return endsHere(load) * Math.ceil(load.messageBytes / PAGE_BYTES);
}

function bufferLimit(id: string, name: string, read: Limit["read"]): Limit {
  return {
    id,
    name,
    unit: "bytes",
    scope: "namespace",
    caps: "memory",
    side: "both",
    source: "Linux networking/ip-sysctl.rst, tcp_rmem and tcp_wmem",
    change: `sysctl ${name}`,
    privilege: "CAP_NET_ADMIN",
    pitfall:
      "the third number is how far one socket's buffer may grow under load, not what an idle socket uses: lower that number if many readers are slow",
    sysctl: name,
    read,
    needs: () => undefined,
  };
}
