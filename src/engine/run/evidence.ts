// Collects kernel evidence during a run for later diagnosis: counters that increased, and settings and gauges at the
// end. This module only records numbers; diagnosis interprets them.

import { readNeighbourTables } from "../../linux/netlink/rtnetlink.js";
import { readCgroupMemoryEvents } from "../../linux/proc/cgroup.js";
import { countPortsWithin, readLocalPortRange, readReservedPorts } from "../../linux/proc/local-ports.js";
import { readConntrack, readConntrackStats, readSoftnetStats } from "../../linux/proc/net-stats.js";
import { readNetCounters, readSockstat } from "../../linux/proc/procfs.js";
import { readSysctlNumbers } from "../../linux/proc/sysctl.js";
import type { RunEvidence } from "../../results/evidence.js";
import type { Counters } from "../../results/fields.js";

/** Counters of refused, dropped and retransmitted handshakes, of lost data and of memory pressure. */
const COUNTERS = [
  "TcpExt.ListenOverflows",
  "TcpExt.ListenDrops",
  "TcpExt.TCPReqQFullDrop",
  "TcpExt.TCPReqQFullDoCookies",
  "TcpExt.TCPTimeWaitOverflow",
  "TcpExt.TCPMemoryPressures",
  "TcpExt.TCPAbortOnMemory",
  "TcpExt.TCPSynRetrans",
  "TcpExt.TCPChallengeACK",
  "TcpExt.TCPOFOQueue",
  "Tcp.OutRsts",
  "Tcp.RetransSegs",
  "TcpExt.TCPRetransFail",
  "Icmp.InDestUnreachs",
  "Icmp.OutDestUnreachs",
  "Icmp6.InDestUnreachs",
  "Icmp6.OutDestUnreachs",
] as const;
/** Number of times that a memory cgroup throttled its processes, refused them memory or killed them. */
const CGROUP_COUNTERS = ["high", "max", "oom", "oom_kill"] as const;
const CONNTRACK_COUNTERS = ["drop", "early_drop", "insert_failed"] as const;

const SETTINGS = [
  "fs.epoll.max_user_watches",
  "fs.file-max",
  "net.core.netdev_max_backlog",
  "net.core.somaxconn",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.tcp_abort_on_overflow",
  "net.ipv4.tcp_max_syn_backlog",
  "net.ipv4.tcp_max_tw_buckets",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_timestamps",
  "net.ipv4.tcp_tw_reuse",
  "net.ipv4.tcp_tw_reuse_delay",
] as const;

/** Returns the current counters, for use by noteEvidence() later. */
export function readCounters(): Counters {
  const counters: Record<string, number> = {};
  const net = readNetCounters();
  for (const name of COUNTERS) if (net[name] !== undefined) counters[name] = net[name];
  const conntrack = readConntrackStats();
  for (const name of CONNTRACK_COUNTERS) {
    if (conntrack[name] !== undefined) counters[`conntrack.${name}`] = conntrack[name];
  }
  const cgroup = readCgroupMemoryEvents();
  for (const name of CGROUP_COUNTERS) if (cgroup[name] !== undefined) counters[`cgroup.memory.${name}`] = cgroup[name];
  const softnet = readSoftnetStats();
  if (softnet) {
    counters["softnet.processed"] = softnet.processed;
    counters["softnet.dropped"] = softnet.dropped;
  }
  const neighbours = readNeighbourTables();
  if (neighbours) {
    counters["arp_cache.table_fulls"] = neighbours[4].fulls;
    counters["ndisc_cache.table_fulls"] = neighbours[6].fulls;
  }
  return counters;
}

/** @param before counters at the start of the run */
export function noteEvidence(before: Counters): Pick<RunEvidence, "deltas" | "settings" | "gauges"> {
  const deltas: Record<string, number> = {};
  for (const [name, value] of Object.entries(readCounters())) {
    const rise = value - (before[name] ?? value);
    if (rise > 0) deltas[name] = rise;
  }
  return { deltas, settings: readSettings(), gauges: readGauges() };
}

function readSettings(): Counters {
  const settings: Record<string, number> = {};
  for (const name of SETTINGS) {
    const [value] = readSysctlNumbers(name) ?? [];
    if (value !== undefined) settings[name] = value;
  }
  const range = readLocalPortRange();
  const reserved = readReservedPorts();
  if (range) {
    settings["net.ipv4.ip_local_port_range.first"] = range.first;
    settings["net.ipv4.ip_local_port_range.last"] = range.last;
    if (reserved) settings["net.ipv4.ip_local_port_range.reserved"] = countPortsWithin(reserved, range);
  }
  return settings;
}

function readGauges(): Counters {
  const gauges: Record<string, number> = {};
  const conntrack = readConntrack();
  if (conntrack) {
    gauges["conntrack.count"] = conntrack.count;
    gauges["conntrack.max"] = conntrack.max;
  }
  const [open] = readSysctlNumbers("fs.file-nr") ?? [];
  if (open !== undefined) gauges["files.open"] = open;
  const sockstat = readSockstat();
  for (const [name, field] of [
    ["tcp.pages", "TCP.mem"],
    ["tcp.orphans", "TCP.orphan"],
    ["tcp.timeWait", "TCP.tw"],
  ] as const) {
    if (sockstat[field] !== undefined) gauges[name] = sockstat[field];
  }
  const neighbours = readNeighbourTables();
  if (neighbours) {
    for (const [name, { entries, max }] of [
      ["arp_cache", neighbours[4]],
      ["ndisc_cache", neighbours[6]],
    ] as const) {
      gauges[`${name}.entries`] = entries;
      gauges[`${name}.max`] = max;
    }
  }
  return gauges;
}
