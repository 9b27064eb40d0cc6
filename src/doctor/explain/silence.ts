// Handshakes that nobody answered (ETIMEDOUT): a full accept queue, conntrack, a core's backlog, or a loss on the way.
import { formatCount } from "../../base/units.js";
import type { ConnectResult, FailureReport } from "../../connect/result.js";
import { describeProcess, isOutOfDescriptors } from "../peer-process.js";
import type { Finding, Suspect } from "./diagnosis.js";
import { seen } from "./system.js";

/** @returns undefined when the failure is another one */
export function explainSilence(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  if (failure.errno !== "ETIMEDOUT") return undefined;
  return (
    conntrackFull(result, failure) ??
    queueFull(result, failure) ??
    backlogFull(result, failure) ??
    lostOnTheWay(result, failure)
  );
}

function conntrackFull({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { "conntrack.count": count = 0, "conntrack.max": max = Number.POSITIVE_INFINITY } = evidence.gauges;
  const drops = (evidence.risen["conntrack.drop"] ?? 0) + (evidence.risen["conntrack.early_drop"] ?? 0);
  if (drops === 0 && count < max) return undefined;
  return {
    limit: "nf-conntrack-max",
    whose: "the path",
    meaning: "this host's connection tracking is full: further SYNs are dropped without an answer",
    fix: "raise net.netfilter.nf_conntrack_max (and nf_conntrack_buckets), or exempt this traffic with a notrack rule",
    evidence: [
      seen(failure),
      `${formatCount(count)} of ${formatCount(max)} entries of conntrack in use`,
      ...(drops > 0 ? [`conntrack dropped ${formatCount(drops)} packets`] : []),
    ],
  };
}

/** Only where the server is on this host can its queue be seen. */
function queueFull({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { peer, risen } = evidence;
  const overflows = (risen["TcpExt.ListenOverflows"] ?? 0) + (risen["TcpExt.ListenDrops"] ?? 0);
  const full = peer?.listeners.find(
    ({ acceptQueue: { used, limit } }) => limit !== undefined && used > 0 && used >= limit,
  );
  if (!peer || (!full && overflows === 0)) return undefined;
  const facts = [
    seen(failure),
    ...(full
      ? [
          `accept queue of port ${full.port}: ${formatCount(full.acceptQueue.used)} of ${formatCount(full.acceptQueue.limit!)}`,
        ]
      : []),
    ...(overflows > 0 ? [`ListenOverflows and ListenDrops rose by ${formatCount(overflows)}`] : []),
  ];
  const { process } = peer;
  if (process && isOutOfDescriptors(process)) {
    return {
      limit: "nofile",
      whose: "the peer",
      meaning: `the server cannot accept: ${describeProcess(process)} has no descriptor left, and its accept queue is full`,
      fix: "raise the server's limit of open files (LimitNOFILE=, ulimit -n)",
      evidence: [
        ...facts,
        `${formatCount(process.openDescriptors!)} of ${formatCount(process.nofileLimit!)} descriptors open`,
      ],
    };
  }
  return {
    limit: "accept-queue",
    whose: "the peer",
    meaning: process?.isStopped
      ? `the server is stopped: ${describeProcess(process)} accepts nothing, and its accept queue is full`
      : "the server accepts more slowly than connections come: its accept queue is full, and SYNs are dropped",
    fix: process?.isStopped
      ? `let it go on: kill -CONT ${process.pid}`
      : "a longer backlog in listen() and net.core.somaxconn, a server that accepts faster, or a lower --connect-rate",
    evidence: facts,
  };
}

function backlogFull({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const dropped = evidence.risen["softnet.dropped"] ?? 0;
  if (dropped === 0) return undefined;
  return {
    limit: "netdev-max-backlog",
    whose: "this side",
    meaning: "packets were dropped between two queues of this host: a core's backlog was full",
    fix: "raise net.core.netdev_max_backlog, or lower --connect-rate",
    evidence: [seen(failure), `softnet dropped ${formatCount(dropped)} packets`],
  };
}

function lostOnTheWay({ evidence, established }: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const retransmitted = evidence.risen["TcpExt.TCPSynRetrans"] ?? 0;
  const facts = [
    seen(failure),
    ...(retransmitted > 0 ? [`${formatCount(retransmitted)} SYNs were sent again`] : []),
    established === 0 ? "not one connection came about" : `${formatCount(established)} came about before`,
  ];
  const { peer } = evidence;
  if (peer && peer.listeners.length > 0) {
    return {
      limit: "path",
      whose: "the path",
      meaning: "packets are lost on the way: the server listens, its accept queue has room and has dropped nothing",
      fix: "look for a firewall rule that drops (nft list ruleset), on both hosts and between them",
      evidence: [...facts, "no ListenOverflows, no ListenDrops, conntrack has dropped nothing"],
    };
  }
  const firewall: Suspect = {
    limit: "path",
    whose: "the path",
    meaning: "packets are dropped on the way: a firewall, or conntrack of a router that is full",
    fix: "look for rules that drop, and for `nf_conntrack: table full` in the logs of routers and load balancers",
    evidence: facts,
    test: "on the server: tcpdump 'tcp[tcpflags] & tcp-syn != 0' shows no SYN",
  };
  if (established === 0) {
    const silent: Suspect = {
      limit: "route",
      whose: "the peer",
      meaning: "the host is down, or the address is nobody's",
      fix: "check the address, and that the host is up",
      evidence: facts,
      test: "ping ADDRESS, or a connection to another port of it: silence too means that the host is not there",
    };
    return [firewall, silent];
  }
  const queue: Suspect = {
    limit: "accept-queue",
    whose: "the peer",
    meaning: "the server accepts no more, or too slowly: its accept queue is full",
    fix: "a longer backlog and net.core.somaxconn; the server's limits of connections and of open files",
    evidence: facts,
    test: "on the server: nstat -az TcpExtListenOverflows rises, and ss -ltn shows Recv-Q at Send-Q",
  };
  return [queue, firewall];
}
