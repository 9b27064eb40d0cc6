// Explains failures reported by the local kernel: descriptors, ports, epoll watches, memory and routes.

import { watchReserve } from "../../engine/epoll-watches.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { formatBound } from "../../util/bound.js";
import { formatCount } from "../../util/units.js";
import { MORE_WATCHES } from "./memory-stop.js";
import { countIcmp } from "./path/icmp-counts.js";

type Rule = (result: ConnectResult, failure: FailureReport) => Finding;

const RULES: Record<string, Rule> = {
  "socket EMFILE": ({ nofileLimit, hasPrivateTables, threads }, failure) => ({
    limit: "nofile",
    whose: "local",
    meaning: `the descriptor ${hasPrivateTables ? "tables are" : "table is"} full: RLIMIT_NOFILE is ${formatBound(nofileLimit)}`,
    fix: hasPrivateTables
      ? "raise it: ulimit -n, LimitNOFILE=, --ulimit nofile="
      : "raise it (ulimit -n, LimitNOFILE=, --ulimit nofile=), or use more than one table: omit --one-table, or allow io_uring or unshare(CLONE_FILES)",
    evidence: [
      seen(failure),
      hasPrivateTables
        ? `${formatCount(threads)} threads with one table each`
        : "all threads share one table: --one-table was given, or private tables are not allowed here",
    ],
  }),
  "socket ENFILE": ({ evidence }, failure) => ({
    limit: "file-max",
    whose: "local",
    meaning: "the host is out of open files",
    fix: "raise fs.file-max",
    evidence: [seen(failure), ...known("fs.file-max", evidence.settings["fs.file-max"])],
  }),
  "register ENOSPC": ({ evidence }, failure) => ({
    limit: "epoll-watches",
    whose: "local",
    meaning: "this user's processes have reached their combined limit on epoll watches",
    fix: MORE_WATCHES,
    evidence: [seen(failure), ...watchesKept(evidence.settings["fs.epoll.max_user_watches"])],
  }),
  "bind EACCES": ({ evidence }, failure) => ({
    limit: "ip-unprivileged-port-start",
    whose: "local",
    meaning: "source ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
    fix: "use --source-port 1024-65535",
    evidence: [
      seen(failure),
      ...known("net.ipv4.ip_unprivileged_port_start", evidence.settings["net.ipv4.ip_unprivileged_port_start"]),
    ],
  }),
  "connect ENETUNREACH": (_, failure) => ({
    limit: "route",
    whose: "local",
    meaning: "this host has no route to that network",
    fix: "check the address, and the routes: ip route get ADDRESS",
    evidence: [seen(failure)],
  }),
  "connect EHOSTUNREACH": (result, failure) => ({
    limit: "route",
    whose: "network",
    meaning: "no host on the link answers for that address, or for the router to it (ARP, NDP)",
    fix: "check the address, that the host is up, and ip neigh",
    evidence: [seen(failure), ...(countIcmp(result) > 0 ? [] : ["no ICMP message from another host said so"])],
  }),
};

/** @returns undefined if the local kernel's errors do not explain the failure */
export function explainLocalErrors(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const rule = RULES[`${failure.phase} ${failure.errno}`];
  if (rule) return rule(result, failure);
  if (failure.errno === "ENOMEM" || failure.errno === "ENOBUFS") return explainNoMemory(result, failure);
  return undefined;
}

/** Explains a failure to create an io_uring, whose memory counts against RLIMIT_MEMLOCK. */
export function explainNoRing({ count, phase }: FailureReport): Finding {
  return {
    limit: "memlock",
    whose: "local",
    meaning:
      "no memory could be locked for another io_uring: RLIMIT_MEMLOCK is used up across all of this user's processes",
    fix: "raise it (ulimit -l, LimitMEMLOCK=, --ulimit memlock=), grant CAP_IPC_LOCK, or use --engine epoll",
    evidence: [seen({ phase, errno: "ENOMEM", count })],
  };
}

/** Returns how often TCP came under memory pressure during the run. */
export function countPressures({ evidence: { deltas } }: ConnectResult): number {
  return (deltas["TcpExt.TCPMemoryPressures"] ?? 0) + (deltas["TcpExt.TCPAbortOnMemory"] ?? 0);
}

/** Explains a failure of a run during which TCP came under memory pressure. */
export function explainPressures(result: ConnectResult, failure: FailureReport): Finding {
  return {
    limit: "tcp-mem",
    whose: "local",
    meaning: "queued data has used up TCP's memory budget (net.ipv4.tcp_mem)",
    fix: "raise net.ipv4.tcp_mem, or make slow readers read faster",
    evidence: [seen(failure), `TCP came under memory pressure ${formatCount(countPressures(result))} times`],
  };
}

function explainNoMemory(result: ConnectResult, failure: FailureReport): Finding {
  if (result.engine?.name === "uring" && failure.phase === "socket" && failure.errno === "ENOMEM")
    return explainNoRing(failure);
  if (countPressures(result) > 0) return explainPressures(result, failure);
  return {
    limit: "memory",
    whose: "local",
    meaning: "the kernel has no memory for more sockets",
    fix: "add memory, or raise the container's limit",
    evidence: [seen(failure)],
  };
}

/** Formats a failure and its count as evidence. */
export function seen({ phase, errno, count }: FailureReport): string {
  return `${formatCount(count)} × ${errno} (${phase})`;
}

function watchesKept(max: number | undefined): string[] {
  if (max === undefined) return [];
  const kept = formatCount(watchReserve(max));
  return [`fs.epoll.max_user_watches is ${formatCount(max)}, of which fourtuple leaves ${kept} free`];
}

function known(name: string, value: number | undefined): string[] {
  return value === undefined ? [] : [`${name} is ${formatCount(value)}`];
}
