// Refused handshakes (ECONNREFUSED): nobody listens at a destination, or something on the way refuses in its name. An
// overflowing accept queue never refuses: its reset (tcp_abort_on_overflow) comes to a socket that is ESTABLISHED by then.
import { formatEndpoint } from "../../base/address.js";
import { formatCount, plural } from "../../base/units.js";
import type { ConnectResult, FailureReport } from "../../connect/result.js";
import type { Finding, Suspect } from "./diagnosis.js";
import { openAtStop } from "./plateaus.js";
import { seen } from "./system.js";

const NAMED = 3;
const WILDCARDS = ["0.0.0.0", "::"];

/** @returns undefined when the failure is another one */
export function explainRefusal(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  if (failure.phase !== "connect" || failure.errno !== "ECONNREFUSED") return undefined;
  const { evidence, destinations, established } = result;
  if (!evidence.peer) return ofAnotherHost(result, failure);
  const deserted = destinationsWithoutListener(result);
  if (deserted.length === 0) return rejected(result, failure);
  if (deserted.length < destinations.length) {
    return nobody(
      `nobody listens on ${deserted.slice(0, NAMED).join(", ")}${deserted.length > NAMED ? " and others" : ""}: ${formatCount(deserted.length)} of the ${formatCount(destinations.length)} destinations`,
      [seen(failure), `no socket of this host listens on ${deserted.slice(0, NAMED).join(", ")}`],
    );
  }
  const facts = [seen(failure), "no socket of this host listens there"];
  if (established === 0) return nobody("nobody listens on that port", facts);
  return isRedirected(result)
    ? nobody("the port is redirected, and where it leads to nobody listens any more", [...facts, redirection(result)])
    : listenerGone(result, facts);
}

/** The server has no listening socket any more: it ended, or it closed that one only. */
export function listenerGone(result: ConnectResult, facts: readonly string[]): Finding {
  const open = openAtStop(result);
  return nobody(
    open > 0
      ? "nobody listens on that port any more: the server has closed its listening socket, and keeps what it had accepted"
      : "nobody listens on that port any more: the server ended during the run",
    open > 0 ? [...facts, `${formatCount(open)} connections stay open`] : facts,
  );
}

/** Connections are open to a port of this host that no socket of it has: another one answers (DNAT, redirect, a container's). */
export function isRedirected({ kernel, evidence }: ConnectResult): boolean {
  return evidence.peer?.listeners.length === 0 && (kernel?.outgoing ?? 0) > 0 && kernel?.incoming === 0;
}

export function redirection({ kernel }: ConnectResult): string {
  return `${formatCount(kernel!.outgoing)} are ESTABLISHED, and no socket of this host has that port: it is redirected`;
}

function destinationsWithoutListener({ destinations, evidence }: ConnectResult): string[] {
  const listeners = evidence.peer?.listeners ?? [];
  const served = new Set(
    listeners.map(({ ip, port }) => (WILDCARDS.includes(ip) ? `*:${port}` : formatEndpoint(ip, port))),
  );
  return destinations.filter((to) => !served.has(to) && !served.has(`*:${to.replace(/.*:/, "")}`));
}

function ofAnotherHost({ established, destinations }: ConnectResult, failure: FailureReport): Finding {
  if (established === 0) return nobody("nobody listens on that port", [seen(failure)]);
  return destinations.length > 1
    ? nobody(
        `one of the ${plural(destinations.length, "destination")} or more refuse: nobody listens there, or a server ended during the run`,
        [seen(failure)],
      )
    : nobody("nobody listens on that port any more: the server ended during the run, or closed its listening socket", [
        seen(failure),
      ]);
}

/** A server listens at every destination. */
function rejected({ evidence }: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const unreachable = evidence.risen["Icmp.InDestUnreachs"] ?? 0;
  const facts = [seen(failure), "a socket of this host listens at every destination"];
  const firewall: Finding = {
    limit: "path",
    whose: "the path",
    meaning: "the server listens, and something refuses in its name: a firewall's rule that rejects",
    fix: "look for rules that reject (nft list ruleset)",
    evidence: facts,
  };
  // One for each at the least: a kernel without a listener answers with a reset, and sends no ICMP.
  if (unreachable >= failure.count) {
    return { ...firewall, evidence: [...facts, `${formatCount(unreachable)} ICMP messages said "unreachable"`] };
  }
  const late = nobody("nobody listened for a part of the run: the server began late, or began anew", facts);
  return [
    { ...firewall, test: "the same run once more is refused again; nft list ruleset shows a rule that rejects" },
    { ...late, test: "the same run once more is not refused; the server's log tells of a start" },
  ];
}

function nobody(meaning: string, evidence: readonly string[]): Finding {
  return {
    limit: "listener",
    whose: "the peer",
    meaning,
    fix: "start the server, or check the port: ss -ltn",
    evidence,
  };
}
