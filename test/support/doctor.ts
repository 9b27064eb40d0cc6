// A host's facts, as the doctor reads them, with the settings behind them and a matching load, for tests to modify.

import { COMMITTED_COST } from "../../src/capacity/calibration.js";
import type { HostFacts } from "../../src/capacity/host-facts.js";
import type { Load } from "../../src/capacity/load.js";
import type { ReadSetting } from "../../src/tuning/change.js";
import { parseIp } from "../../src/util/address.js";

const GIB = 1024 ** 3;

/** Returns a host on which every limit allows a hundred thousand connections. */
export function hostFacts(different: Partial<HostFacts> = {}): HostFacts {
  return {
    hides: { cgroupMemory: false, cgroupPids: false, conntrack: false },
    uid: 1000,
    cores: 2,
    cpus: 2,
    nofile: { soft: 1024, hard: 1_048_576 },
    softAtStart: undefined,
    openDescriptors: 20,
    canPark: false,
    canUnshare: false,
    memlockBytes: 8 * 1024 ** 2,
    nrOpen: 1_048_576,
    fileMax: 4_000_000,
    filesOpen: 1000,
    ignoresFileMax: false,
    epollWatches: 5_000_000,
    portRange: { first: 32_768, last: 60_999 },
    reservedPorts: [],
    listeningPorts: [],
    unprivilegedPortStart: 1024,
    somaxconn: 4096,
    synBacklog: 4096,
    syncookies: 1,
    abortOnOverflow: 0,
    netdevBacklog: 1000,
    tcpMem: [100_000, 130_000, 200_000],
    tcpMemUsed: 10,
    receiveBuffer: [4096, 131_072, 6_291_456],
    sendBuffer: [4096, 16_384, 4_194_304],
    memoryBytes: 64 * GIB,
    memory: { bound: "host", availableBytes: 60 * GIB, floorBytes: 3.2 * GIB },
    cgroupMemory: undefined,
    cgroupHigh: undefined,
    cgroupTcpMemory: undefined,
    cgroupMemoryLimit: undefined,
    cgroupPids: undefined,
    slabBytes: GIB,
    residentBytes: 0,
    establishedBuckets: 524_288,
    sharesEstablishedTable: false,
    childBuckets: 0,
    tcpSockets: 100,
    conntrack: undefined,
    isTracked: false,
    isTrackingOfPort: true,
    translation: "none",
    timeWaitMax: 262_144,
    timeWaitNow: 0,
    timeWaitReuse: 2,
    timeWaitReuseDelayMs: 1000,
    timestamps: 1,
    orphansMax: 262_144,
    orphansNow: 0,
    threadsMax: 100_000,
    threadsNow: 300,
    neighbourTables: {
      4: { entries: 3, idle: 0, max: 1024, fulls: 0 },
      6: { entries: 5, idle: 0, max: 1024, fulls: 0 },
    },
    linkBitsPerSec: undefined,
    ...different,
  };
}

/** Returns a client's load from one source address to one destination, with ports chosen by the kernel. */
export function clientLoad(different: Partial<Load> = {}): Load {
  const groups = [
    {
      sources: [{ first: parseIp("10.0.0.1"), count: 1 }],
      destinations: [{ ip: parseIp("10.0.0.2"), port: 7777 }],
    },
  ];
  return {
    program: "fourtuple",
    engines: { client: "epoll", server: "epoll", obstacle: undefined },
    connections: 10_000,
    role: "client",
    plan: { groups, ports: { chosenBy: "kernel", available: 28_232 } },
    hasAddressesAtWill: false,
    portsInUse: 0,
    portsDoubtful: 0,
    timeWaits: { tuples: 0, lastMs: 0 },
    connectRatePerSec: undefined,
    badSources: { bad: [], badCount: 0 },
    unreachable: [],
    onLink: { 4: { sources: 0, destinations: 0 }, 6: { sources: 0, destinations: 0 } },
    peer: undefined,
    target: "10.0.0.2:7777",
    messageRatePerSec: 0,
    messageBytes: 64,
    burst: 1024,
    cost: {
      kernelBytesPerEnd: 4096,
      chargedBytesPerEnd: 4096,
      userBytesPerEnd: 64,
      cpuSecondsPerConnection: 1e-5,
      cpuSecondsPerMessage: 1e-5,
      isMeasured: false,
    },
    ...different,
  };
}

/** Returns a load with both ends on this host and as many addresses as it needs. */
export function localLoad(different: Partial<Load> = {}): Load {
  const own = {
    role: "both",
    plan: undefined,
    hasAddressesAtWill: true,
    target: undefined,
    cost: COMMITTED_COST,
  } as const;
  return clientLoad({ ...own, ...different });
}

/** Returns the settings as a kernel with these facts would show them, with tabs between numbers. */
export function settingsOf(facts: HostFacts): Map<string, string> {
  const values: Record<string, string | number | undefined> = {
    "fs.nr_open": facts.nrOpen,
    "fs.file-max": facts.fileMax,
    "fs.epoll.max_user_watches": facts.epollWatches,
    "kernel.threads-max": facts.threadsMax,
    "net.core.somaxconn": facts.somaxconn,
    "net.ipv4.tcp_max_syn_backlog": facts.synBacklog,
    "net.ipv4.tcp_mem": facts.tcpMem?.join("\t"),
    "net.netfilter.nf_conntrack_max": facts.conntrack?.max,
    "net.netfilter.nf_conntrack_buckets": facts.conntrack?.buckets,
    "net.ipv4.ip_local_port_range": `${facts.portRange?.first}\t${facts.portRange?.last}`,
    "net.ipv4.ip_local_reserved_ports": facts.reservedPorts
      ?.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
      .join(","),
  };
  return new Map(Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]])));
}

export function readerOf(settings: ReadonlyMap<string, string>): ReadSetting {
  return (name) => settings.get(name);
}
