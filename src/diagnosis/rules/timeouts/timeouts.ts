// Explains unanswered handshakes (ETIMEDOUT): a full accept queue, conntrack, a per-core backlog, or loss on the path.

import type { ConnectResult } from "../../../results/connect.js";
import type { Finding, Suspect } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { formatCount } from "../../../util/units.js";
import { mayHaveOverflowed, overflows, queueFacts, queueFinding } from "../accept-queue.js";
import { seen } from "../local-errors.js";
import { droppedHere } from "../local-refusals.js";
import { suspectNeighbours } from "../neighbours.js";
import { splitDestinations } from "../path/destinations.js";
import { explainGivenUp } from "./unacknowledged.js";
import { explainWithoutSockets, suspectReturnPath, suspectStrays } from "./without-sockets.js";

/** How many times more packets are dropped in a burst than on average, at most. */
const BURST = 10;

/** @returns undefined if the failure is of another kind */
export function explainTimeouts(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  if (failure.errno !== "ETIMEDOUT") return undefined;
  if (failure.phase === "hold") return explainGivenUp(result, failure);
  return (
    conntrackFull(result, failure) ??
    queueFull(result, failure) ??
    backlogFull(result, failure) ??
    notTracked(result, failure) ??
    explainWithoutSockets(result, failure) ??
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
    meaning: "this host's connection tracking table is full: further SYNs are silently dropped",
    fix: "raise net.netfilter.nf_conntrack_max (and nf_conntrack_buckets), or exempt this traffic with a notrack rule",
    evidence: [
      seen(failure),
      `${formatCount(count)} of ${formatCount(max)} conntrack entries in use`,
      ...(drops > 0 ? [`conntrack dropped ${formatCount(drops)} packets`] : []),
    ],
  };
}

/** The accept queue is visible only if the server runs on this host. */
function queueFull(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const facts = queueFacts(result);
  return facts.length === 0 ? undefined : queueFinding(result, [seen(failure), ...facts]);
}

/** Conntrack could not add an entry: source NAT had no free port, or the tuple was already taken. */
function notTracked({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const failed = evidence.deltas["conntrack.insert_failed"] ?? 0;
  // The counter covers all packets; each of our attempts would add at least one.
  if (failed < failure.count) return undefined;
  return {
    limit: "path",
    whose: "network",
    meaning:
      "this host's connection tracking dropped packets because it could not add an entry: source NAT has no free ports left",
    fix: "add addresses for source NAT (masquerade, SNAT), or exempt this traffic from it",
    evidence: [seen(failure), `conntrack's insert_failed rose by ${formatCount(failed)}`],
  };
}

/**
 * The counters cover all packets of this host, also those of other programs. An attempt fails if every SYN of it is
 * dropped, so a backlog that drops one packet in a hundred does not explain that every attempt failed.
 */
function backlogFull({ evidence, established, failed }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { "softnet.dropped": dropped = 0, "softnet.processed": processed = 0 } = evidence.deltas;
  // Drops come in bursts: while SYNs are sent, their share can be several times that of the whole run.
  const mostShare = (BURST * dropped) / (dropped + processed);
  if (dropped < failure.count || mostShare < failure.count / (established + failed)) return undefined;
  return {
    limit: "netdev-max-backlog",
    whose: "local",
    meaning: "this host dropped packets because a core's backlog was full",
    fix: "raise net.core.netdev_max_backlog, or lower --connect-rate",
    evidence: [
      seen(failure),
      `softnet dropped ${formatCount(dropped)} packets and processed ${formatCount(processed)}`,
    ],
  };
}

function lostOnTheWay(result: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const { evidence, established } = result;
  const split = splitDestinations(result, failure);
  const synRetransmits = evidence.deltas["TcpExt.TCPSynRetrans"] ?? 0;
  const facts = [
    seen(failure),
    ...(synRetransmits > 0 ? [`${formatCount(synRetransmits)} SYNs were retransmitted`] : []),
    established === 0 ? "no connection was established" : `${formatCount(established)} were established before`,
  ];
  const { peer } = evidence;
  const isUndecided = mayHaveOverflowed(result);
  if (peer && peer.listeners.length > 0 && !isUndecided) {
    return {
      limit: "path",
      whose: "network",
      meaning:
        "packets are lost on the path: the server listens, and its accept queue has room and has dropped nothing",
      fix: "look for a firewall rule that drops packets (nft list ruleset), on both hosts and between them",
      evidence: [...facts, "neither the listening socket nor conntrack dropped anything"],
    };
  }
  const firewall: Suspect = {
    limit: "path",
    whose: "network",
    meaning: "packets are dropped on the path: by a firewall, or by a router whose conntrack table is full",
    fix: "look for dropping rules, and for `nf_conntrack: table full` in the logs of routers and load balancers",
    evidence: facts,
    test: "on the server: tcpdump 'tcp[tcpflags] & tcp-syn != 0' shows no SYN",
  };
  if ((established === 0 || split) && !isUndecided) {
    const silent: Suspect = {
      limit: "route",
      whose: "peer",
      meaning: "the host is down, or no host has the address",
      fix: "check the address and that the host is up",
      evidence: facts,
      test: "ping ADDRESS or connect to another of its ports: if that is unanswered too, the host is down",
    };
    const elsewhere = suspectReturnPath(result, failure) ?? suspectStrays(result, failure);
    // A host that answers on another port is up.
    const isUp = split?.failing.every(({ to }) => split.working.some((other) => isSameHost(to, other.to)));
    return [...(elsewhere ? [elsewhere] : []), firewall, isUp ? suspectQueue(facts) : silent];
  }
  const queue = suspectQueue(
    isUndecided
      ? [...facts, `ListenOverflows rose by ${formatCount(overflows(evidence.deltas))}, for all listeners together`]
      : facts,
  );
  const neighbours = suspectNeighbours(result, facts);
  return neighbours ? [neighbours, queue, firewall] : [queue, firewall];
}

function suspectQueue(evidence: readonly string[]): Suspect {
  return {
    limit: "accept-queue",
    whose: "peer",
    meaning: "the server's accept queue is full: it accepts too slowly or not at all",
    fix: "raise the backlog and net.core.somaxconn; check the server's limits on connections and open files",
    evidence,
    test: "on the server: ss -ltnm shows Recv-Q equal to Send-Q, and the socket's drop count as d<n> in skmem",
  };
}

/** @param destinations such as `10.0.0.1:7777` or `[::1]:7777` */
function isSameHost(...destinations: [string, string]): boolean {
  const [a, b] = destinations.map((each) => each.slice(0, each.lastIndexOf(":")));
  return a === b;
}
