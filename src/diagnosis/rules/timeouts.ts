// Handshakes that nobody answered (ETIMEDOUT): a full accept queue, conntrack, a core's backlog, or a loss on the way.

import type { ConnectResult } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { formatCount } from "../../util/units.js";
import { mayHaveOverflowed, overflows, queueFacts, queueFinding } from "./accept-queue.js";
import { seen } from "./local-errors.js";
import { droppedHere } from "./local-refusals.js";
import { suspectNeighbours } from "./neighbours.js";

/** @returns undefined when the failure is another one */
export function explainSilence(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  if (failure.errno !== "ETIMEDOUT") return undefined;
  return (
    conntrackFull(result, failure) ??
    queueFull(result, failure) ??
    backlogFull(result, failure) ??
    notTracked(result, failure) ??
    droppedHere(result, failure) ??
    lostOnTheWay(result, failure)
  );
}

function conntrackFull({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { "conntrack.count": count = 0, "conntrack.max": max = Number.POSITIVE_INFINITY } = evidence.gauges;
  const drops = (evidence.deltas["conntrack.drop"] ?? 0) + (evidence.deltas["conntrack.early_drop"] ?? 0);
  if (drops === 0 && count < max) return undefined;
  return {
    limit: "nf-conntrack-max",
    whose: "network",
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
function queueFull(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const facts = queueFacts(result);
  return facts.length === 0 ? undefined : queueFinding(result, [seen(failure), ...facts]);
}

/** Source NAT without a free port, or two connections that would have become one. */
function notTracked({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const failed = evidence.deltas["conntrack.insert_failed"] ?? 0;
  // The counter is of everybody's packets: of ours each attempt would be one at the least.
  if (failed < failure.count) return undefined;
  return {
    limit: "path",
    whose: "network",
    meaning:
      "this host's connection tracking dropped packets for which it could make no entry: source NAT has no free port left",
    fix: "more addresses for source NAT (masquerade, SNAT), or none for this traffic",
    evidence: [seen(failure), `conntrack's insert_failed rose by ${formatCount(failed)}`],
  };
}

function backlogFull({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const dropped = evidence.deltas["softnet.dropped"] ?? 0;
  if (dropped === 0) return undefined;
  return {
    limit: "netdev-max-backlog",
    whose: "local",
    meaning: "packets were dropped between two queues of this host: a core's backlog was full",
    fix: "raise net.core.netdev_max_backlog, or lower --connect-rate",
    evidence: [seen(failure), `softnet dropped ${formatCount(dropped)} packets`],
  };
}

function lostOnTheWay(result: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const { evidence, established } = result;
  const synRetransmits = evidence.deltas["TcpExt.TCPSynRetrans"] ?? 0;
  const facts = [
    seen(failure),
    ...(synRetransmits > 0 ? [`${formatCount(synRetransmits)} SYNs were sent again`] : []),
    established === 0 ? "not one connection came about" : `${formatCount(established)} came about before`,
  ];
  const { peer } = evidence;
  const isUndecided = mayHaveOverflowed(result);
  if (peer && peer.listeners.length > 0 && !isUndecided) {
    return {
      limit: "path",
      whose: "network",
      meaning: "packets are lost on the way: the server listens, its accept queue has room and has dropped nothing",
      fix: "look for a firewall rule that drops (nft list ruleset), on both hosts and between them",
      evidence: [...facts, "the listening socket dropped nothing, nor did conntrack"],
    };
  }
  const firewall: Suspect = {
    limit: "path",
    whose: "network",
    meaning: "packets are dropped on the way: a firewall, or conntrack of a router that is full",
    fix: "look for rules that drop, and for `nf_conntrack: table full` in the logs of routers and load balancers",
    evidence: facts,
    test: "on the server: tcpdump 'tcp[tcpflags] & tcp-syn != 0' shows no SYN",
  };
  if (established === 0 && !isUndecided) {
    const silent: Suspect = {
      limit: "route",
      whose: "peer",
      meaning: "the host is down, or the address is nobody's",
      fix: "check the address, and that the host is up",
      evidence: facts,
      test: "ping ADDRESS, or a connection to another port of it: silence too means that the host is not there",
    };
    return [firewall, silent];
  }
  const queue: Suspect = {
    limit: "accept-queue",
    whose: "peer",
    meaning: "the server accepts no more, or too slowly: its accept queue is full",
    fix: "a longer backlog and net.core.somaxconn; the server's limits of connections and of open files",
    evidence: isUndecided
      ? [...facts, `ListenOverflows rose by ${formatCount(overflows(evidence.deltas))}, of all listeners together`]
      : facts,
    test: "on the server: ss -ltnm shows Recv-Q at Send-Q, and after a d in skmem what this socket dropped",
  };
  const neighbours = suspectNeighbours(result, facts);
  return neighbours ? [neighbours, queue, firewall] : [queue, firewall];
}
