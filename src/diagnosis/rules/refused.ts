// Explains refused handshakes (ECONNREFUSED): nothing listens at a destination, or something on the path rejects them.
// An overflowing accept queue never refuses: its reset (tcp_abort_on_overflow) reaches a socket that is already
// ESTABLISHED.

import type { ConnectResult, Endpoint } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { describeProcess } from "../../socket-table/listeners/peer-process.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { formatCount, plural } from "../../util/units.js";
import { seen } from "./local-errors.js";
import { describeRule } from "./local-refusals.js";
import { explainAnotherHost } from "./path/another-host.js";
import { icmpDelta } from "./path/icmp-counts.js";
import { firewall, firewallOrLate, nobody } from "./path/refusal-causes.js";
import { openAtStop } from "./plateaus.js";

const NAMED = 3;
const WILDCARDS = ["0.0.0.0", "::"];

/** @returns undefined if the failure is of another kind */
export function explainRefused(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  if (failure.phase !== "connect" || failure.errno !== "ECONNREFUSED") return undefined;
  const { evidence, destinations, established } = result;
  if (!evidence.peer) return explainAnotherHost(result, failure);
  const deserted = destinationsWithoutListener(result);
  if (deserted.length === 0) return rejected(result, failure);
  const other = elsewhere(result, deserted);
  if (deserted.length < destinations.length) {
    return nobody(
      `nothing listens on ${named(deserted)}${deserted.length > NAMED ? " and others" : ""}: ${formatCount(deserted.length)} of the ${formatCount(destinations.length)} destinations${other ? `; ${other.who}` : ""}`,
      [seen(failure), `no socket on this host listens on ${named(deserted)}`],
      other?.fix,
    );
  }
  const facts = [seen(failure), "no socket on this host listens there", ...selfFacts(result)];
  if (established === 0 || other) {
    return other
      ? nobody(
          `nothing listens on that port at ${deserted.length > 1 ? "these addresses" : "that address"}; ${other.who}`,
          facts,
          other.fix,
        )
      : nobody("nothing listens on that port", facts);
  }
  return isRedirected(result)
    ? nobody("the port is redirected, and nothing listens at the redirection's target any more", [
        ...facts,
        redirection(result),
      ])
    : listenerGone(result, facts);
}

/** Names the processes that hold the destinations' ports at another address or family, and the fix. */
function elsewhere(
  { evidence }: ConnectResult,
  deserted: readonly Endpoint[],
): { readonly who: string; readonly fix: string } | undefined {
  const ports = new Set(deserted.map(({ port }) => port));
  const found = (evidence.peer?.elsewhere ?? []).filter(({ port }) => ports.has(port));
  const listening = found.filter(({ kind }) => kind === "listening");
  const first = listening[0] ?? found[0];
  if (!first) return undefined;
  const at = (each: typeof first) => formatEndpoint(each.ip, each.port);
  const holders = (listening.length > 0 ? listening : found)
    .slice(0, NAMED)
    .map(
      (each) =>
        `${describeProcess(each.process)} ${each.kind === "listening" ? "listens on" : "has bound"} ${at(each)}`,
    );
  if (listening.length === 0) {
    return {
      who: `${holders.join(", ")}, but has not called listen()`,
      fix: "have the server call listen(), or find out why it has not",
    };
  }
  const isWildcard = WILDCARDS.includes(first.ip);
  return {
    who: holders.join(", "),
    fix: isWildcard
      ? `connect over IPv${first.ip === "::" ? 6 : 4}, or make the server listen on both families ([::] without IPV6_V6ONLY)`
      : `connect to ${at(first)}, or make the server listen on ${named(deserted)} too (0.0.0.0 and [::] mean all addresses)`,
  };
}

/** Explains connections that connected to themselves because nothing listened. */
function selfFacts({ failures }: ConnectResult): string[] {
  const met = failures.find(({ errno }) => errno === "SELF");
  return met
    ? [
        `${formatCount(met.count)} more connected to themselves: the kernel chose the destination's port as their source port`,
      ]
    : [];
}

/**
 * Explains a client that connected to itself, because its source port is the destination's and nothing listens there
 * (simultaneous open, RFC 9293).
 */
export function explainSelfConnect(result: ConnectResult, failure: FailureReport): Finding | undefined {
  if (failure.phase !== "connect" || failure.errno !== "SELF") return undefined;
  const { port } = result.endpoints[0]!;
  return {
    limit: "self-connect",
    whose: "local",
    meaning: "the client connected to itself: nothing listens on that port, and the kernel chose it as the source port",
    fix: `start the server; keep the kernel from choosing its port: net.ipv4.ip_local_reserved_ports=${port}, or use a port outside ip_local_port_range`,
    evidence: [
      `${plural(failure.count, "connection")} with the same address and port at both ends: closed and not counted`,
      ...(result.evidence.peer?.listeners.length === 0 ? ["no socket on this host listens there"] : []),
    ],
  };
}

/** Explains a missing listening socket: the server has exited, or has closed only that socket. */
export function listenerGone(result: ConnectResult, facts: readonly string[]): Finding {
  const open = openAtStop(result);
  return nobody(
    open > 0
      ? "nothing listens on that port any more: the server closed its listening socket and keeps its accepted connections"
      : "nothing listens on that port any more: the server exited during the run",
    open > 0 ? [...facts, `${formatCount(open)} connections stay open`] : facts,
  );
}

/**
 * Returns whether connections are open to a local port on which this host has no socket. Something else then answers
 * (DNAT, redirect, a container).
 */
export function isRedirected({ kernel, evidence }: ConnectResult): boolean {
  return evidence.peer?.listeners.length === 0 && (kernel?.outgoing ?? 0) > 0 && kernel?.incoming === 0;
}

export function redirection({ kernel }: ConnectResult): string {
  return `${formatCount(kernel?.outgoing ?? 0)} are ESTABLISHED, but no socket on this host has that port: it is redirected`;
}

function destinationsWithoutListener(result: ConnectResult): Endpoint[] {
  const listeners = result.evidence.peer?.listeners ?? [];
  const served = new Set(
    listeners.map(({ ip, port }) => (WILDCARDS.includes(ip) ? `*:${port}` : formatEndpoint(ip, port))),
  );
  return result.endpoints.filter(({ ip, port }) => !served.has(formatEndpoint(ip, port)) && !served.has(`*:${port}`));
}

function named(endpoints: readonly Endpoint[]): string {
  return endpoints
    .slice(0, NAMED)
    .map(({ ip, port }) => formatEndpoint(ip, port))
    .join(", ");
}

/** Explains refusals that occurred although a server listens at every destination. */
function rejected({ evidence }: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const unreachable = icmpDelta(evidence.deltas, "InDestUnreachs");
  const facts = [seen(failure), "a socket on this host listens at every destination"];
  const { listeners } = evidence.peer!;
  const anew = listeners.find(({ since }) => since === "replaced" || since === "late");
  if (anew) return madeAnew(anew, failure);
  // Require at least one ICMP message per failure, because the kernel of a host without a listener answers with a
  // reset instead.
  if (unreachable >= failure.count) {
    return firewall([...facts, `${formatCount(unreachable)} ICMP messages said "unreachable"`]);
  }
  if (listeners.every(({ since }) => since === "before")) {
    const rule = evidence.localPath?.rules?.find(({ verdict }) => verdict === "reject");
    return firewall(
      [...facts, "it has listened all the time"],
      rule && `see whether it is this rule: ${describeRule(rule)} (nft -a list chain ${rule.table} ${rule.chain})`,
    );
  }
  return firewallOrLate(facts);
}

/** Explains refusals while the listening socket was being replaced, or before it was opened. */
function madeAnew(
  { port, since, inode }: NonNullable<ConnectResult["evidence"]["peer"]>["listeners"][number],
  failure: FailureReport,
): Finding {
  const isReplaced = since === "replaced";
  return nobody(
    isReplaced
      ? `nothing was listening for part of the run: the server closed its listening socket on port ${port} and opened a new one (a reload or restart)`
      : `nothing was listening on port ${port} for part of the run: the server started late`,
    [
      seen(failure),
      isReplaced
        ? `the listening socket has been replaced since the run began${inode === undefined ? "" : ` (inode ${inode})`}`
        : "no socket listened there when the run began",
    ],
    isReplaced
      ? "reload without closing the socket (SO_REUSEPORT, systemd socket units, haproxy's expose-fd listeners), or retry"
      : "start the server first",
  );
}
