// What the kernel's socket table says, in words and figures: of one port, and of the host. The most important first.
import { formatEndpoint } from "../base/address.js";
import { formatBytes, formatCount, formatDuration, plural } from "../base/units.js";
import type { OwnerSummary } from "../ports/owners.js";
import type { Pressure } from "../ports/pressure.js";
import type { ListenerRow, SocketTable } from "../ports/summary.js";
import { type Paint, plain } from "./paint.js";
import {
  addressTable,
  destinationTable,
  listenerTable,
  localPortTable,
  ownerLines,
  pressureTable,
} from "./ports-tables.js";
import { alignLabels } from "./table.js";

/** What was asked about: a port at one address of this host, or at any. */
export interface PortName {
  readonly ip: string | undefined;
  /** `7777`, `127.0.0.1:7777`. */
  readonly name: string;
  readonly port: string;
}

/** Both sides of a port: sockets that have it, and sockets whose peer has it. */
export interface PortSides {
  readonly local: SocketTable;
  readonly remote: SocketTable;
}

export interface PortExtras {
  readonly owners?: OwnerSummary | undefined;
  readonly pressure?: Pressure | undefined;
  /** Opened and closed per second, while it is watched. */
  readonly rates?: { readonly openedPerSec: number; readonly closedPerSec: number } | undefined;
  /** Rows of a table. */
  readonly top: number;
}

const MAX_LISTENERS = 5;

/** Whether there is anything to say of the port. */
export function hasSockets({ local, remote }: PortSides): boolean {
  return local.sockets + remote.sockets + local.listeners.length > 0;
}

/** The article's proof for one port: who shares it, and what accept() did not spend. */
export function portText(target: PortName, sides: PortSides, extras: PortExtras, paint: Paint = plain): string {
  const { local, remote } = sides;
  const lines = [headline(target, sides, paint), "", ...alignLabels(facts(target, sides, extras), "  ")];
  if (local.incoming > 0) lines.push(...addressTable("peers", local.byPeer, extras.top, paint));
  else if (remote.outgoing > 0) lines.push(...addressTable("from", remote.byLocalAddress, extras.top, paint));
  if (extras.pressure && extras.pressure.marked > 0) lines.push(...pressureTable(extras.pressure, extras.top, paint));
  if (extras.owners) lines.push(...ownerLines(extras.owners, extras.top, paint));
  return lines.join("\n");
}

/** The host's table as a whole. */
export function overviewText(table: SocketTable, extras: PortExtras, paint: Paint = plain): string {
  const { ipv4, ipv6, mapped } = table.byFamily;
  const { pressure } = extras;
  const lines = [
    paint("bold", `${plural(table.sockets, "TCP socket")}: ${states(table)}`),
    "",
    ...alignLabels(
      [
        ["changes", rates(extras)],
        ["families", `${formatCount(ipv4)} IPv4, ${formatCount(ipv6)} IPv6, ${formatCount(mapped)} IPv4-mapped`],
        ["directions", `${formatCount(table.incoming)} accepted here, ${formatCount(table.outgoing)} opened from here`],
        ["overflows", overflows(table)],
        ["memory", memory(table)],
        ["source", source(table)],
      ],
      "  ",
    ),
  ];
  if (pressure && pressure.marked > 0) lines.push(...pressureTable(pressure, extras.top, paint));
  if (table.listeners.length > 0) lines.push(...listenerTable(table.listeners, extras.top, paint));
  lines.push(
    ...localPortTable(table.byLocalPort, extras.top, paint),
    ...addressTable("peers", table.byPeer, extras.top, paint),
    ...destinationTable(table.byDestination, extras.top, paint),
  );
  if (extras.owners) lines.push(...ownerLines(extras.owners, extras.top, paint));
  return lines.join("\n");
}

/** Why what was read may be less than it could be; undefined when it is not. */
export function readNote({
  fallbackErrno,
  wasInterrupted,
}: {
  readonly fallbackErrno: string | undefined;
  readonly wasInterrupted: boolean;
}): string | undefined {
  if (fallbackErrno !== undefined) {
    return `note: netlink is not to be had here (${fallbackErrno}): read out of /proc/net/tcp, which is slower and does not tell the accept queues' limits or memory`;
  }
  return wasInterrupted
    ? "note: the table changed while it was read (NLM_F_DUMP_INTR): the figures may be off by what came and went"
    : undefined;
}

export function nothingText(name: string): string {
  return `no TCP socket of this host has ${name} at either end`;
}

function headline({ ip, port, name }: PortName, { local, remote }: PortSides, paint: Paint): string {
  const accepted = local.accepted.top.reduce((sum, { established }) => sum + established, 0);
  const share = ip === undefined ? `local port ${port}` : `local port ${port} of ${ip}`;
  if (accepted > 0) {
    const from = local.outgoing === 0 ? local.byPeer.distinct : sum(local.accepted.top.map(({ peers }) => peers));
    const addresses = from === 1 ? "1 address" : `${formatCount(from)} addresses`;
    const [verb, they] = accepted === 1 ? ["has", "it comes"] : ["share", "they come"];
    return paint(
      "good",
      `${formatCount(accepted)} ESTABLISHED ${accepted === 1 ? "socket" : "sockets"} ${verb} ${share}; ${they} from ${addresses}; no other port was opened by accept`,
    );
  }
  const toIt = remote.byState.ESTABLISHED ?? 0;
  if (toIt > 0 || (remote.outgoing > 0 && local.listeners.length === 0)) {
    const count = toIt > 0 ? `${plural(toIt, "ESTABLISHED socket")} of this host` : plural(remote.outgoing, "socket");
    const leads = (toIt || remote.outgoing) === 1 ? "leads" : "lead";
    const spent = `${plural(remote.byLocalAddress.distinct, "local address", "local addresses")}`;
    return paint(
      "bold",
      `${count} ${leads} to ${ip === undefined ? `port ${port}` : name}, from ${spent}; each takes a local port`,
    );
  }
  if (local.listeners.length > 0) return paint("bold", `${share} is listened on; it has no ESTABLISHED connection`);
  return paint("bold", `${plural(local.sockets, "socket")} with ${share}, and nothing listens on it`);
}

function facts(target: PortName, { local, remote }: PortSides, extras: PortExtras): [string, string | undefined][] {
  const { listeners } = local;
  const shown = listeners.slice(0, MAX_LISTENERS).map((row): [string, string] => ["listener", listenerLine(row)]);
  const more = listeners.length - shown.length;
  const clients = `${states(remote)}${aside(remote.incoming, "accepted from it as a source port")}; ${plural(remote.byLocalAddress.distinct, "address", "addresses")}, a local port for each`;
  const own = `${states(local)}${aside(local.outgoing, "opened from here, with it as their source port")}`;
  return [
    ["changes", rates(extras)],
    [`port ${target.port}`, local.sockets > 0 ? own : "no socket of this host has it"],
    ...shown,
    ["listeners", more > 0 ? `and ${formatCount(more)} more` : undefined],
    ["overflows", listeners.length > 0 ? overflows(local) : undefined],
    ["clients here", remote.sockets > 0 ? clients : undefined],
    ["memory", memory(local) ?? memory(remote)],
    ["source", source(local, local.elapsedMs + remote.elapsedMs)],
  ];
}

/** Sockets that are counted with the others and are of another kind. */
function aside(count: number, what: string): string {
  return count > 0 ? ` (of these ${formatCount(count)} ${what})` : "";
}

function listenerLine({ ip, port, acceptQueue, uid }: ListenerRow): string {
  const { used, limit } = acceptQueue;
  const queue = limit === undefined ? formatCount(used) : `${formatCount(used)} of ${formatCount(limit)}`;
  return `${formatEndpoint(ip, port)}, accept queue ${queue}, uid ${uid}`;
}

/** `19,000 ESTABLISHED, 1 LISTEN`, most first. */
function states({ byState }: SocketTable): string {
  const counts = Object.entries(byState).filter(([, count]) => count > 0);
  counts.sort(([, a], [, b]) => b - a);
  return counts.map(([state, count]) => `${formatCount(count)} ${state}`).join(", ") || "none";
}

function overflows({ counters }: SocketTable): string {
  const { listenOverflows, listenDrops } = counters;
  return `${formatCount(listenOverflows)} of accept queues, ${formatCount(listenDrops)} SYNs dropped (all listeners, since boot)`;
}

function rates({ rates: now }: PortExtras): string | undefined {
  if (!now) return undefined;
  return `sockets opened ${formatCount(now.openedPerSec)}/s, closed ${formatCount(now.closedPerSec)}/s`;
}

function memory({ memory: used }: SocketTable): string | undefined {
  if (!used || used.sockets === 0) return undefined;
  const mean = formatBytes(used.chargedBytes / used.sockets);
  return `${mean} of buffers per socket, ${formatBytes(used.maxChargedBytes)} at most, ${formatBytes(used.chargedBytes)} in all`;
}

function source(table: SocketTable, elapsedMs = table.elapsedMs): string {
  return `the kernel's socket table (${table.source}), read in ${formatDuration(elapsedMs)}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
