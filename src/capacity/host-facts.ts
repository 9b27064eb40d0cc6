// Facts about the host: everything that limits are derived from, read at one time. Unreadable values are undefined.
// What-if questions replace only these facts.

import { availableParallelism } from "node:os";
import { readCgroupRoom, readHostRoom } from "../engine/memory-floor.js";
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
import {
  countOpenDescriptors,
  readMeminfo,
  readResidentBytes,
  readSockstat,
  readThreadCount,
} from "../linux/proc/procfs.js";
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

/** Marks values that could not be read, for fields where undefined means that there is no limit. */
export interface Hidden {
  readonly cgroupMemory: boolean;
  readonly cgroupPids: boolean;
  readonly conntrack: boolean;
}

/** Facts that cost little to read. */
export interface HostReadings {
  readonly hides: Hidden;
  readonly uid: number;
  readonly cores: number;
  /** Number of CPUs available to this process's cgroup: the number of cores, or the cgroup's quota. */
  readonly cpus: number;
  readonly nofile: ProcessLimit;
  /**
   * Soft limit of the parent process, because Node raises the soft limit of this process to the hard limit;
   * undefined if unreadable.
   */
  readonly softAtStart: number | undefined;
  /** Open descriptors of a fourtuple process before its first connection. */
  readonly openDescriptors: number;
  /** RLIMIT_MEMLOCK in bytes; Infinity if the limit does not apply. */
  readonly memlockBytes: number | undefined;
  readonly nrOpen: number | undefined;
  readonly fileMax: number | undefined;
  readonly filesOpen: number | undefined;
  /** True if the kernel lets this process exceed fs.file-max because of CAP_SYS_ADMIN (fs/file_table.c). */
  readonly ignoresFileMax: boolean;
  readonly epollWatches: number | undefined;
  readonly portRange: PortRange | undefined;
  readonly reservedPorts: readonly PortRange[] | undefined;
  /** Ports of listening sockets. */
  readonly listeningPorts: readonly number[];
  readonly unprivilegedPortStart: number | undefined;
  readonly somaxconn: number | undefined;
  readonly synBacklog: number | undefined;
  readonly syncookies: number | undefined;
  readonly abortOnOverflow: number | undefined;
  readonly netdevBacklog: number | undefined;
  /** tcp_mem as low, pressure and high, in pages. */
  readonly tcpMem: readonly number[] | undefined;
  readonly tcpMemUsed: number | undefined;
  readonly receiveBuffer: readonly number[] | undefined;
  readonly sendBuffer: readonly number[] | undefined;
  /** The host's total memory. */
  readonly memoryBytes: number | undefined;
  readonly memory: MemoryRoom | undefined;
  /** Memory left by the tightest cgroup limit; undefined if there is none. */
  readonly cgroupMemory: MemoryRoom | undefined;
  /** Memory left before throttling by memory.high; undefined if there is no such limit. */
  readonly cgroupHigh: MemoryRoom | undefined;
  /** Limit of cgroup v1 on queued TCP data; undefined if there is none. */
  readonly cgroupTcpMemory: CgroupMemory | undefined;
  /** Memory limit of the tightest cgroup (memory.max). */
  readonly cgroupMemoryLimit: number | undefined;
  readonly cgroupPids: CgroupPids | undefined;
  readonly slabBytes: number | undefined;
  /** This process's resident memory in bytes. */
  readonly residentBytes: number;
  /** Number of buckets in the table of ESTABLISHED sockets. */
  readonly establishedBuckets: number | undefined;
  /** True if the table of ESTABLISHED sockets is shared by all of the host's network namespaces. */
  readonly sharesEstablishedTable: boolean;
  readonly childBuckets: number | undefined;
  readonly tcpSockets: number | undefined;
  readonly conntrack: ConntrackUse | undefined;
  readonly timeWaitMax: number | undefined;
  readonly timeWaitNow: number | undefined;
  readonly timeWaitReuse: number | undefined;
  /** Undefined before Linux 6.14; the delay is then always one second. */
  readonly timeWaitReuseDelayMs: number | undefined;
  readonly timestamps: number | undefined;
  readonly orphansMax: number | undefined;
  readonly orphansNow: number | undefined;
  readonly threadsMax: number | undefined;
  /** Number of threads of all processes on the host. */
  readonly threadsNow: number | undefined;
  /** Neighbour tables by family; shared by all of the host's network namespaces. */
  readonly neighbourTables: Readonly<Record<Family, NeighbourTable>> | undefined;
  /** Speed of the network interface towards the destination; undefined for loopback or if unknown. */
  readonly linkBitsPerSec: number | undefined;
}

export interface HostFacts extends HostReadings {
  /** True if connections can be parked in io_uring file tables, which removes the limit of descriptor tables. */
  readonly canPark: boolean;
  /** True if threads can have their own descriptor tables (unshare(CLONE_FILES)). */
  readonly canUnshare: boolean;
  /** True if netfilter tracks connections here; undefined if unknown. */
  readonly isTracked: boolean | undefined;
  /** True if the test used the destination's port rather than another port. */
  readonly isTrackingOfPort: boolean;
  /** Whether connections to this host may be redirected to another address or port. */
  readonly translation: Translation;
}

/** Limits beyond which allocations fail. */
const HARD_LIMITS: readonly CgroupMemoryFile[] = ["memory.max", "memory.limit_in_bytes", "memory.kmem.limit_in_bytes"];

/**
 * @param listeningPorts ports of listening sockets, from the socket table
 * @param device interface towards the destination
 * @param port port of the destination
 */
export async function readHostFacts(
  listeningPorts: readonly number[],
  device?: string,
  port?: number,
): Promise<HostFacts> {
  const rules = readTranslation();
  const tracking = findTracking(rules === "present" ? undefined : port);
  return {
    ...readHost(listeningPorts, device),
    canPark: canRegisterFiles(),
    canUnshare: await canUnshareTables(),
    isTracked: tracking.isTracked,
    isTrackingOfPort: tracking.isOfPort,
    // Netfilter translates only tracked connections.
    translation: rules === "unknown" && tracking.isTracked === false ? "none" : rules,
  };
}

/**
 * Reads the facts that can be read without trying anything out.
 * @param listeningPorts as for readHostFacts()
 */
export function readHost(listeningPorts: readonly number[], device?: string): HostReadings {
  const number = (name: string) => readSysctlNumbers(name)?.[0];
  const sockstat = readSockstat();
  const conntrack = readConntrack();
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
    // The kernel reports a negative value in a namespace that uses the host's table (ip-sysctl.rst).
    sharesEstablishedTable: buckets !== undefined && buckets < 0,
    childBuckets: number("net.ipv4.tcp_child_ehash_entries"),
    tcpSockets: sockstat["TCP.inuse"],
    conntrack,
    timeWaitMax: number("net.ipv4.tcp_max_tw_buckets"),
    timeWaitNow: sockstat["TCP.tw"],
    timeWaitReuse: number("net.ipv4.tcp_tw_reuse"),
    timeWaitReuseDelayMs: number("net.ipv4.tcp_tw_reuse_delay"),
    timestamps: number("net.ipv4.tcp_timestamps"),
    orphansMax: number("net.ipv4.tcp_max_orphans"),
    orphansNow: sockstat["TCP.orphan"],
    threadsMax: number("kernel.threads-max"),
    threadsNow: readThreadCount(),
    neighbourTables: readNeighbourTables(),
    linkBitsPerSec: device === undefined ? undefined : readLinkSpeed(device),
  };
}

/** systemd sets fs.file-max to the largest value of its type. */
function unlessEndless(value: number | undefined): number | undefined {
  return value !== undefined && value >= Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : value;
}
