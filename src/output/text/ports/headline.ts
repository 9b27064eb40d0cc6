// Formats the first line of `fourtuple ports` for an address: one sentence that claims no more than the figures
// support.

import type { SocketTable } from "../../../results/sockets/socket-table.js";
import type { SocketFilter } from "../../../socket-table/summary.js";
import { printableData } from "../../../util/printable.js";
import { formatCount, plural } from "../../../util/units.js";
import { type Paint, plain } from "../../terminal/paint.js";

/** The target: a port or range, at one of this host's addresses or at all of them. */
export interface PortName {
  readonly ip: string | undefined;
  /** For example `7777` or `127.0.0.1:7777`. */
  readonly name: string;
  /** For example `7777` or `7777-7786`. */
  readonly port: string;
}

/** Both sides of a port: sockets with this local port, and sockets with this remote port. */
export interface PortSides {
  readonly local: SocketTable;
  readonly remote: SocketTable;
}

/** Filter on the sockets that were read. Statements apply only to these sockets. */
export type Conditions = Pick<SocketFilter, "states" | "family" | "remoteIp">;

export function isFiltered({ states, family, remoteIp }: Conditions): boolean {
  return states !== undefined || family !== undefined || remoteIp !== undefined;
}

/** Returns a text such as `IPv6 TCP socket of this host in TIME_WAIT with the peer 10.0.0.1`. */
export function kindOf(noun: string, { states, family, remoteIp }: Conditions): string {
  const ofFamily = family === undefined ? "" : `IPv${family} `;
  const inStates = states === undefined ? "" : ` in ${[...new Set(states)].join(" or ")}`;
  return `${ofFamily}${noun}${inStates}${withPeer(remoteIp)}`;
}

/**
 * Returns a sentence such as `no TCP socket … has it`. The sentence names the filter, because other sockets may exist.
 */
export function nothingText(of: string | undefined, filter: Conditions = {}): string {
  const name = printableData(of);
  const kind = kindOf("TCP socket of this host", printableData(filter));
  return `${name === undefined ? `there is no ${kind}` : `no ${kind} has ${name} at either end`}${mappedNote(filter)}`;
}

/** Returns a note for an IPv4 filter. An IPv4-mapped socket counts as IPv6, as in `ss -4`, and is not included. */
export function mappedNote({ family }: Conditions): string {
  return family === 4 ? " (IPv4-mapped sockets belong to IPv6)" : "";
}

/** Returns `port 7777` or `ports 7777-7786`. */
export function portLabel({ port }: Pick<PortName, "port">): string {
  return `${isRange(port) ? "ports" : "port"} ${port}`;
}

export function headline(target: PortName, sides: PortSides, filter: Conditions = {}, paint: Paint = plain): string {
  const { local, remote } = sides;
  if (establishedIn(local.accepted) > 0) return paint("good", proof(target, sides, filter));
  return paint("bold", lesser(target, local, remote, filter));
}

/** Says which sockets share the port, and that accept() used no other port. */
function proof(target: PortName, { local, remote }: PortSides, filter: Conditions): string {
  const rows = local.accepted.top.filter((row) => row.established > 0);
  const accepted = establishedIn(local.accepted);
  const ports = new Set(rows.map(({ port }) => port));
  const one = ports.size === 1 ? `${rows[0]!.port}` : undefined;
  const from = local.outgoing === 0 ? local.byPeer.distinct : rows.reduce((sum, { peers }) => sum + peers, 0);
  const [verb, they] = accepted === 1 ? ["has", "it comes"] : ["share", "they come"];
  const shared = one ? localPort({ ...target, port: one }) : `${ports.size} of ${localPort(target)}`;
  return [
    `${established(accepted, filter)} ${verb} ${shared}`,
    `${they} from ${plural(from, "address", "addresses")}`,
    ...(one && hasNoOtherEnds({ local, remote }) ? ["accept() used no other port"] : []),
  ].join("; ");
}

/**
 * Returns whether the accepted socket has the same port for every connection whose client is on this host. If accept()
 * had used another port, at least one of them would differ.
 */
function hasNoOtherEnds({ local, remote }: PortSides): boolean {
  const key = ({ ip, port }: { ip: string; port: number }) => `${ip} ${port}`;
  const accepted = new Map(local.accepted.top.map((row) => [key(row), row.established]));
  return remote.byDestination.top.every((row) => row.established <= (accepted.get(key(row)) ?? row.established));
}

function lesser(target: PortName, local: SocketTable, remote: SocketTable, filter: Conditions): string {
  const isListened = local.listeners.length > 0;
  const opened = establishedIn(remote.byDestination);
  if (opened > 0) return `${established(opened, filter, " of this host")} ${leadTo(opened, target, remote)}`;
  const own = establishedIn(local.byDestination);
  if (own > 0) {
    const have = `${established(own, filter)} ${own === 1 ? "has" : "have"} ${localPort(target)}`;
    if (isListened) return `${have} as ${own === 1 ? "its" : "their"} source port`;
    // With a family filter, listeners of the other family were not read.
    return filter.family === undefined ? `${have}, and nothing listens on it` : have;
  }
  if (isFiltered(filter)) {
    const count = local.sockets + remote.sockets;
    const kind = kindOf(`TCP ${noun(count)} of this host`, filter);
    return `${formatCount(count)} ${kind} ${count === 1 ? "has" : "have"} ${portLabel(target)} at one end`;
  }
  if (isListened) return listenersOnly(target, local);
  if (remote.outgoing > 0) return `${plural(remote.outgoing, "socket")} ${leadTo(remote.outgoing, target, remote)}`;
  if (local.sockets > 0)
    return `${plural(local.sockets, "socket")} with ${localPort(target)}, and nothing listens on it`;
  return `${plural(remote.sockets, "socket")} accepted here, with the peer's ${portLabel(target)}`;
}

function leadTo(count: number, target: PortName, remote: SocketTable): string {
  const to = target.ip === undefined ? portLabel(target) : target.name;
  // Omit the addresses if accepted sockets have a peer with that port, because the count includes those.
  const { distinct } = remote.byLocalAddress;
  const from = remote.incoming > 0 ? "" : `, from ${plural(distinct, "local address", "local addresses")}`;
  return `${count === 1 ? "leads" : "lead"} to ${to}${from}; each uses a local port`;
}

function listenersOnly(target: PortName, { listeners }: SocketTable): string {
  const open = new Set(listeners.map(({ port }) => port)).size;
  if (!isRange(target.port)) return `${localPort(target)} has a listener but no ESTABLISHED connection`;
  return `${open} of ${localPort(target)} ${open === 1 ? "has" : "have"} a listener but no ESTABLISHED connection`;
}

function localPort({ ip, port }: Pick<PortName, "ip" | "port">): string {
  return `local ${portLabel({ port })}${ip === undefined ? "" : ` of ${ip}`}`;
}

/** The text already names the state, so add only the rest of the filter. */
function established(count: number, { family, remoteIp }: Conditions, where = ""): string {
  return `${formatCount(count)} ${kindOf(`ESTABLISHED ${noun(count)}${where}`, { family, remoteIp })}`;
}

function noun(count: number): string {
  return count === 1 ? "socket" : "sockets";
}

function withPeer(peer: string | undefined): string {
  return peer === undefined ? "" : ` with the peer ${peer}`;
}

function isRange(port: string): boolean {
  return port.includes("-");
}

function establishedIn({ top }: { readonly top: readonly { readonly established: number }[] }): number {
  return top.reduce((sum, row) => sum + row.established, 0);
}
