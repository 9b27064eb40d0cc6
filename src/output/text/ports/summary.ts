// Formats the kernel's socket table as text for one port or the whole host, most important first.

import type { OwnerSummary } from "../../../results/sockets/owners.js";
import type { Pressure } from "../../../results/sockets/pressure.js";
import type { ListenerRow, MemorySummary, SocketTable } from "../../../results/sockets/socket-table.js";
import { formatEndpoint } from "../../../util/endpoint.js";
import { printableData } from "../../../util/printable.js";
import { formatBytes, formatCount, formatDuration, plural } from "../../../util/units.js";
import { type Paint, plain } from "../../terminal/paint.js";
import { alignLabels } from "../../terminal/table.js";
import { type Conditions, headline, kindOf, mappedNote, type PortName, type PortSides, portLabel } from "./headline.js";
import { pressureTable } from "./pressure.js";
import { addressTable, destinationTable, listenerTable, localPortTable, ownerLines } from "./tables.js";

export interface PortExtras {
  readonly owners?: OwnerSummary | undefined;
  readonly pressure?: Pressure | undefined;
  /** Number of sockets opened and closed per second; available only with --watch. */
  readonly rates?: { readonly openedPerSec: number; readonly closedPerSec: number } | undefined;
  /** Maximum number of rows in a table. */
  readonly top: number;
  /** Filter that was applied in addition to the address. */
  readonly filter?: Conditions | undefined;
}

const MAX_LISTENERS = 5;

/** Returns whether there is anything to report about the port. */
export function hasSockets({ local, remote }: PortSides): boolean {
  // Listeners that match the filter are counted among the sockets; other listeners are only
  // listed.
  return local.sockets + remote.sockets > 0;
}

/**
 * Formats both sides of a port: the sockets that share it, which shows that accept() used no
 * other port.
 */
export function portText(of: PortName, both: PortSides, more: PortExtras, paint: Paint = plain): string {
  const [target, sides, extras] = printableData([of, both, more] as const);
  const { local, remote } = sides;
  const { memory: asksForMemory } = local;
  const lines = [
    headline(target, sides, extras.filter, paint),
    // With --memory, owners come first, because the question is who holds the memory.
    ...(asksForMemory ? owners(extras, paint) : []),
    "",
    ...alignLabels(facts(target, sides, extras), "  "),
  ];
  if (local.incoming > 0) lines.push(...addressTable("peers", local.byPeer, extras.top, paint));
  else if (remote.outgoing > 0) lines.push(...addressTable("from", remote.byLocalAddress, extras.top, paint));
  if (extras.pressure && extras.pressure.marked > 0) lines.push(...pressureTable(extras.pressure, extras.top, paint));
  if (!asksForMemory) lines.push(...owners(extras, paint));
  return lines.join("\n");
}

/** Formats the host's whole socket table. */
export function overviewText(of: SocketTable, more: PortExtras, paint: Paint = plain): string {
  const [table, extras] = printableData([of, more] as const);
  const { ipv4, ipv6, mapped } = table.byFamily;
  const { pressure, filter = {} } = extras;
  const kind = kindOf(table.sockets === 1 ? "TCP socket" : "TCP sockets", filter);
  const families = `${formatCount(ipv4)} IPv4, ${formatCount(ipv6)} IPv6, ${formatCount(mapped)} IPv4-mapped`;
  const { memory: asksForMemory } = table;
  const lines = [
    paint("bold", `${formatCount(table.sockets)} ${kind}: ${states(table)}`),
    ...(asksForMemory ? owners(extras, paint) : []),
    "",
    ...alignLabels(
      [
        ["changes", rates(extras)],
        ["families", filter.family === undefined ? families : undefined],
        ["directions", `${formatCount(table.incoming)} accepted here, ${formatCount(table.outgoing)} opened from here`],
        ["overflows", overflows(table)],
        ["memory", memory(table)],
        ["", memoryNote(table)],
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
  if (!asksForMemory) lines.push(...owners(extras, paint));
  return lines.join("\n");
}

/** Returns why the figures may be incomplete; undefined if they are complete. */
export function readNote({
  fallbackErrno,
  wasInterrupted,
}: {
  readonly fallbackErrno?: string | undefined;
  readonly wasInterrupted: boolean;
}): string | undefined {
  if (fallbackErrno !== undefined) {
    return `note: netlink is unavailable (${fallbackErrno}); reading /proc/net/tcp instead, which is slower and has no accept queue limits or memory figures`;
  }
  return wasInterrupted
    ? "note: the table changed while it was being read (NLM_F_DUMP_INTR); figures may be slightly off"
    : undefined;
}

function facts(target: PortName, { local, remote }: PortSides, extras: PortExtras): [string, string | undefined][] {
  const { filter = {} } = extras;
  const { listeners } = local;
  const shown = listeners.slice(0, MAX_LISTENERS).map((row): [string, string] => ["listener", listenerLine(row)]);
  const more = listeners.length - shown.length;
  const addresses = plural(remote.byLocalAddress.distinct, "address", "addresses");
  const clients: [string, string] =
    remote.outgoing > 0
      ? [
          "clients here",
          `${aside(remote.incoming, "accepted here, from peers that use this port as their source port")}; ${addresses}, one local port per connection`,
        ]
      : ["accepted here", `, from peers that use this port as their source port; ${addresses}`];
  const opened =
    listeners.length > 0
      ? "opened from here, using this port as their source port"
      : "without a listener: opened from here, or left over from a listener that is gone";
  const own = `${states(local)}${local.outgoing < local.sockets ? aside(local.outgoing, opened) : ""}`;
  const none = `no ${kindOf("socket of this host", filter)} has it${mappedNote(filter)}`;
  return [
    ["changes", rates(extras)],
    [portLabel(target), local.sockets > 0 ? own : none],
    ...shown,
    ["listeners", more > 0 ? `and ${formatCount(more)} more` : undefined],
    ["overflows", listeners.length > 0 ? overflows(local) : undefined],
    [clients[0], remote.sockets > 0 ? `${states(remote)}${clients[1]}` : undefined],
    ["memory", memory(local)],
    [local.memory ? "clients' memory" : "memory", memory(remote)],
    ["", memoryNote(local) ?? memoryNote(remote)],
    ["source", source(local)],
  ];
}

function owners({ owners: summary, top }: PortExtras, paint: Paint): string[] {
  return summary ? ownerLines(summary, top, paint) : [];
}

/** Says how many sockets of another kind a count includes. */
function aside(count: number, what: string): string {
  return count > 0 ? ` (including ${formatCount(count)} ${what})` : "";
}

function listenerLine({ ip, port, acceptQueue, uid }: ListenerRow): string {
  const { used, limit } = acceptQueue;
  const queue = limit === undefined ? formatCount(used) : `${formatCount(used)} of ${formatCount(limit)}`;
  return `${formatEndpoint(ip, port)}, accept queue ${queue}, uid ${uid}`;
}

/** Returns a text such as `19,000 ESTABLISHED, 1 LISTEN`, largest count first. */
function states({ byState }: SocketTable): string {
  const counts = Object.entries(byState).filter(([, count]) => count > 0);
  counts.sort(([, a], [, b]) => b - a);
  return counts.map(([state, count]) => `${formatCount(count)} ${state}`).join(", ") || "none";
}

/** @returns undefined if the kernel's counters cannot be read */
export function overflows({ counters }: Pick<SocketTable, "counters">): string | undefined {
  const { listenOverflows, listenDrops } = counters;
  if (listenOverflows === undefined || listenDrops === undefined) return undefined;
  return `${formatCount(listenOverflows)} in accept queues, ${formatCount(listenDrops)} SYNs dropped (all listeners, since boot)`;
}

function rates({ rates: now }: PortExtras): string | undefined {
  if (!now) return undefined;
  return `sockets opened ${formatCount(now.openedPerSec)}/s, closed ${formatCount(now.closedPerSec)}/s`;
}

function memory({ memory: used }: SocketTable): string | undefined {
  if (!hasMemory(used)) return undefined;
  const mean = formatBytes(used.chargedBytes / used.sockets);
  return `${mean} of buffers per socket, ${formatBytes(used.maxChargedBytes)} at most, ${formatBytes(used.chargedBytes)} total`;
}

/** Says which memory the figure leaves out: all memory while buffers are empty. */
function memoryNote({ memory: used }: SocketTable): string | undefined {
  return hasMemory(used) ? "plus about 4 KB each for the socket, its inode and its file" : undefined;
}

function hasMemory(used: MemorySummary | undefined): used is MemorySummary {
  return used !== undefined && used.sockets > 0;
}

function source({ source: name, bpfErrno, elapsedMs }: SocketTable): string {
  const refused = bpfErrno === undefined ? "" : `; BPF unavailable: ${bpfErrno}`;
  return `the kernel's socket table (${name}${refused}), read in ${formatDuration(elapsedMs)}`;
}
