// The host as it is: every reading that a limit is derived from, taken at one time. What cannot be read is undefined. What-if
// questions change some of the facts, and nothing else.

import { availableParallelism } from "node:os";
import { readCgroupRoom, readHostRoom } from "../engine/memory-stop.js";
import { canUnshareTables } from "../engine/threads/private-tables.js";
import { readTranslation, type Translation } from "../linux/netlink/address-translation.js";
import { type NeighbourTable, readNeighbourTables } from "../linux/netlink/rtnetlink.js";
import {
  type CgroupMemory,
  type CgroupPids,
  isGroupHidden,
  readCgroupCpus,
  readCgroupMemory,
  readCgroupPids,
} from "../linux/proc/cgroup.js";
import { readLocalPortRange, readReservedPorts } from "../linux/proc/local-ports.js";
import { readLinkSpeed } from "../linux/proc/net-device.js";
import { type ConntrackUse, isConntrackHidden, readConntrack } from "../linux/proc/net-stats.js";
import { readProcessFacts } from "../linux/proc/process-facts.js";
import { countOpenDescriptors, readMeminfo, readResidentBytes, readSockstat } from "../linux/proc/procfs.js";
import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import { CAP_SYS_ADMIN, hasHostCapability } from "../linux/syscalls/capability.js";
import { type ProcessLimit, readNofileLimit } from "../linux/syscalls/rlimit.js";
import { canRegisterFiles } from "../linux/uring/registered-files.js";
import type { CgroupMemoryFile, MemoryRoom } from "../results/evidence.js";
import { readMemlock } from "../transport/choose-engine.js";
import type { Family } from "../util/address.js";
import { numberOf } from "../util/bound.js";
import type { PortRange } from "../util/endpoint.js";
import { findTracking } from "./tracking-probe.js";

/** What is undefined when there is none, and so cannot say by itself that it is there and may not be read. */
export interface Hidden {
  readonly cgroupMemory: boolean;
  readonly cgroupPids: boolean;
  readonly conntrack: boolean;
}

export interface HostFacts {
  readonly hides: Hidden;
  readonly uid: number;
  readonly cores: number;
  /** CPUs that this process's group may use: as many as cores, or its quota. */
  readonly cpus: number;
  readonly nofile: ProcessLimit;
  /** The soft limit of whoever started this process, whose runtime raises it to the hard one; undefined when not to be read. */
  readonly softAtStart: number | undefined;
  /** Descriptors that a process of ours has before its first connection. */
  readonly openDescriptors: number;
  /** Connections can be parked in the file table of an io_uring: then no descriptor table bounds us. */
  readonly canPark: boolean;
  /** Threads can have descriptor tables of their own: unshare(CLONE_FILES). */
  readonly canUnshare: boolean;
  /** RLIMIT_MEMLOCK in bytes; Infinity where it does not bind. */
  readonly memlockBytes: number | undefined;
  readonly nrOpen: number | undefined;
  readonly fileMax: number | undefined;
  readonly filesOpen: number | undefined;
  /** The kernel lets CAP_SYS_ADMIN go beyond fs.file-max (fs/file_table.c). */
  readonly ignoresFileMax: boolean;
  readonly epollWatches: number | undefined;
  readonly portRange: PortRange | undefined;
  readonly reservedPorts: readonly PortRange[] | undefined;
  /** Ports that listening sockets hold. */
  readonly listeningPorts: readonly number[];
  readonly unprivilegedPortStart: number | undefined;
  readonly somaxconn: number | undefined;
  readonly synBacklog: number | undefined;
  readonly syncookies: number | undefined;
  readonly abortOnOverflow: number | undefined;
  readonly netdevBacklog: number | undefined;
  /** tcp_mem: low, pressure, high, in pages. */
  readonly tcpMem: readonly number[] | undefined;
  readonly tcpMemUsed: number | undefined;
  readonly receiveBuffer: readonly number[] | undefined;
  readonly sendBuffer: readonly number[] | undefined;
  /** All of the host's memory. */
  readonly memoryBytes: number | undefined;
  readonly memory: MemoryRoom | undefined;
  /** The memory that a cgroup leaves; undefined when none limits it. */
  readonly cgroupMemory: MemoryRoom | undefined;
  /** What it leaves before it throttles: memory.high; undefined when none does. */
  readonly cgroupHigh: MemoryRoom | undefined;
  /** Version 1's limit on what TCP queues; undefined when there is none. */
  readonly cgroupTcpMemory: CgroupMemory | undefined;
  /** The limit of the tightest cgroup: memory.max. */
  readonly cgroupMemoryLimit: number | undefined;
  readonly cgroupPids: CgroupPids | undefined;
  readonly slabBytes: number | undefined;
  /** Resident memory of this process. */
  readonly residentBytes: number;
  /** Buckets of the table of ESTABLISHED sockets. */
  readonly establishedBuckets: number | undefined;
  /** The table is the host's, shared by all network namespaces. */
  readonly sharesEstablishedTable: boolean;
  readonly childBuckets: number | undefined;
  readonly tcpSockets: number | undefined;
  readonly conntrack: ConntrackUse | undefined;
  /** Connections are tracked here; undefined when that is not known. */
  readonly isTracked: boolean | undefined;
  /** That is so of the destination's port, not only of some other. */
  readonly isTrackingOfPort: boolean;
  /** Connections to this host may be sent on to another address or port. */
  readonly translation: Translation;
  readonly timeWaitMax: number | undefined;
  readonly timeWaitNow: number | undefined;
  readonly timeWaitReuse: number | undefined;
  /** undefined before Linux 6.14, where it is one second. */
  readonly timeWaitReuseDelayMs: number | undefined;
  readonly timestamps: number | undefined;
  readonly orphansMax: number | undefined;
  readonly orphansNow: number | undefined;
  readonly threadsMax: number | undefined;
  /** The neighbour tables by family: the host's, shared by all network namespaces. */
  readonly neighbourTables: Readonly<Record<Family, NeighbourTable>> | undefined;
  /** Of the interface that leads to the destination; undefined for loopback and where it is not told. */
  readonly linkBitsPerSec: number | undefined;
}

/** At these allocations fail. */
const HARD_LIMITS: readonly CgroupMemoryFile[] = ["memory.max", "memory.limit_in_bytes", "memory.kmem.limit_in_bytes"];

/**
 * @param listeningPorts ports that are listened on, out of the socket table
 * @param device the interface to the destination
 * @param port the destination's
 */
export async function readHostFacts(
  listeningPorts: readonly number[],
  device?: string,
  port?: number,
): Promise<HostFacts> {
  const number = (name: string) => readSysctlNumbers(name)?.[0];
  const sockstat = readSockstat();
  const conntrack = readConntrack();
  const rules = readTranslation();
  const tracking = findTracking(rules === "present" ? undefined : port);
  const softAtStart = readProcessFacts(process.ppid)?.nofileLimit;
  const buckets = number("net.ipv4.tcp_ehash_entries");
  return {
    hides: {
      cgroupMemory: isGroupHidden("memory"),
      cgroupPids: isGroupHidden("pids"),
      conntrack: isConntrackHidden(),
    },
    uid: process.getuid?.() ?? 0,
    cores: availableParallelism(),
    cpus: Math.min(availableParallelism(), readCgroupCpus() ?? Number.POSITIVE_INFINITY),
    nofile: readNofileLimit(),
    softAtStart: softAtStart && numberOf(softAtStart),
    openDescriptors: countOpenDescriptors(),
    canPark: canRegisterFiles(),
    canUnshare: await canUnshareTables(),
    memlockBytes: readMemlock(),
    nrOpen: number("fs.nr_open"),
    fileMax: unlessEndless(number("fs.file-max")),
    filesOpen: number("fs.file-nr"),
    ignoresFileMax: hasHostCapability(CAP_SYS_ADMIN),
    epollWatches: number("fs.epoll.max_user_watches"),
    portRange: readLocalPortRange(),
    reservedPorts: readReservedPorts(),
    listeningPorts,
    unprivilegedPortStart: number("net.ipv4.ip_unprivileged_port_start"),
    somaxconn: number("net.core.somaxconn"),
    synBacklog: number("net.ipv4.tcp_max_syn_backlog"),
    syncookies: number("net.ipv4.tcp_syncookies"),
    abortOnOverflow: number("net.ipv4.tcp_abort_on_overflow"),
    netdevBacklog: number("net.core.netdev_max_backlog"),
    tcpMem: readSysctlNumbers("net.ipv4.tcp_mem"),
    tcpMemUsed: sockstat["TCP.mem"],
    receiveBuffer: readSysctlNumbers("net.ipv4.tcp_rmem"),
    sendBuffer: readSysctlNumbers("net.ipv4.tcp_wmem"),
    memoryBytes: readMeminfo().MemTotal,
    memory: readHostRoom(),
    cgroupMemory: readCgroupRoom(HARD_LIMITS),
    cgroupHigh: readCgroupRoom(["memory.high"]),
    cgroupTcpMemory: readCgroupMemory(undefined, undefined, ["memory.kmem.tcp.limit_in_bytes"]),
    cgroupMemoryLimit: readCgroupMemory(undefined, undefined, HARD_LIMITS)?.limitBytes,
    cgroupPids: readCgroupPids(),
    slabBytes: readMeminfo().Slab,
    residentBytes: readResidentBytes() ?? 0,
    establishedBuckets: buckets === undefined ? undefined : Math.abs(buckets),
    // The kernel writes it negative in a namespace that uses the host's (ip-sysctl.rst).
    sharesEstablishedTable: buckets !== undefined && buckets < 0,
    childBuckets: number("net.ipv4.tcp_child_ehash_entries"),
    tcpSockets: sockstat["TCP.inuse"],
    conntrack,
    isTracked: tracking.isTracked,
    isTrackingOfPort: tracking.isOfPort,
    // Netfilter translates only what it tracks.
    translation: rules === "unknown" && tracking.isTracked === false ? "none" : rules,
    timeWaitMax: number("net.ipv4.tcp_max_tw_buckets"),
    timeWaitNow: sockstat["TCP.tw"],
    timeWaitReuse: number("net.ipv4.tcp_tw_reuse"),
    timeWaitReuseDelayMs: number("net.ipv4.tcp_tw_reuse_delay"),
    timestamps: number("net.ipv4.tcp_timestamps"),
    orphansMax: number("net.ipv4.tcp_max_orphans"),
    orphansNow: sockstat["TCP.orphan"],
    threadsMax: number("kernel.threads-max"),
    neighbourTables: readNeighbourTables(),
    linkBitsPerSec: device === undefined ? undefined : readLinkSpeed(device),
  };
}

/** systemd writes the largest number that there is. */
function unlessEndless(value: number | undefined): number | undefined {
  return value !== undefined && value >= Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : value;
}
