// Formats the tables of `fourtuple ports`: rankings, listeners with their accept queues, destinations under pressure,
// and owners.

import type { Owner, OwnerGroup, OwnerMemory, OwnerSummary } from "../../../results/sockets/owners.js";
import type {
  AddressRow,
  DestinationRow,
  ListenerRow,
  PortRow,
  Ranking,
} from "../../../results/sockets/socket-table.js";
import { formatEndpoint } from "../../../util/endpoint.js";
import { printable } from "../../../util/printable.js";
import { formatBytes, formatCount, plural } from "../../../util/units.js";
import type { Paint } from "../../terminal/paint.js";
import { alignFigures } from "../../terminal/table.js";

/** Maximum number of processes to name in a note. */
const NAMED = 3;
const OWNED = ["sockets", "LISTEN", "ESTABLISHED", "TIME_WAIT", "queued"];

export function localPortTable(ranking: Ranking<PortRow>, top: number, paint: Paint): string[] {
  const rows = ranking.top
    .slice(0, top)
    .map(({ port, sockets, established, isListening }) => [
      `${port}${isListening ? " (listening)" : ""}`,
      formatCount(sockets),
      formatCount(established),
    ]);
  return table(["local port", "sockets", "ESTABLISHED"], rows, ranking.distinct, paint);
}

/** @param what heading of the first column, such as `peers` */
export function addressTable(what: string, ranking: Ranking<AddressRow>, top: number, paint: Paint): string[] {
  const rows = ranking.top.slice(0, top).map(({ ip, sockets }) => [ip, formatCount(sockets)]);
  return table([what, "sockets"], rows, ranking.distinct, paint);
}

export function destinationTable(ranking: Ranking<DestinationRow>, top: number, paint: Paint): string[] {
  const rows = ranking.top
    .slice(0, top)
    .map((row) => [
      formatEndpoint(row.ip, row.port),
      formatCount(row.sockets),
      formatCount(row.established),
      formatCount(row.timeWait),
      formatCount(row.sources),
    ]);
  return table(["opened to", "sockets", "ESTABLISHED", "TIME_WAIT", "sources"], rows, ranking.distinct, paint);
}

/** Returns every LISTEN socket with its accept queue, fullest first. */
export function listenerTable(
  listeners: readonly ListenerRow[],
  top: number,
  paint: Paint,
  ownerOf?: (inode: number) => Owner | undefined,
): string[] {
  const ordered = [...listeners].sort(
    (a, b) => b.acceptQueue.used - a.acceptQueue.used || b.established - a.established || a.port - b.port,
  );
  const named = new Set<string>();
  const rows = ordered.slice(0, top).map((row) => {
    const at = formatEndpoint(row.ip, row.port);
    // SO_REUSEPORT listeners share one count of accepted connections, so the figure appears only once.
    const isRepeated = row.sharedBy > 1 && named.has(at);
    named.add(at);
    const cells = [
      at,
      formatCount(row.acceptQueue.used),
      row.acceptQueue.limit === undefined ? "-" : formatCount(row.acceptQueue.limit),
      isRepeated ? "shared" : formatCount(row.established),
      `${row.uid}`,
    ];
    const owner = ownerOf?.(row.inode);
    if (ownerOf) cells.push(owner ? printable(`${owner.command} ${owner.pid}`) : "not visible");
    return cells;
  });
  const header = ["listener", "queue used", "limit", "ESTABLISHED", "uid", ...(ownerOf ? ["process"] : [])];
  return table(header, rows, listeners.length, paint);
}

/**
 * Returns the processes that own the sockets, and what was not visible. If memory is requested, the rows include the
 * bytes in the processes' queues.
 */
export function ownerLines(summary: OwnerSummary, top: number, paint: Paint): string[] {
  const shown = summary.owners.slice(0, top);
  const hasMemory = shown.some(({ memory }) => memory !== undefined);
  const rows = shown.map((owner) => [
    ownerName(owner),
    ...(owner.memory ? memoryCells(owner.memory) : []),
    formatCount(owner.sockets),
    formatCount(owner.listening),
    formatCount(owner.established),
    formatCount(owner.timeWait),
    formatBytes(owner.queuedBytes),
  ]);
  const memoryHeader = hasMemory ? ["to read", "to send", "buffers"] : [];
  const header = ["process", ...memoryHeader, ...OWNED];
  const lines = [...table(header, rows, summary.owners.length, paint), ...groupTable(summary.groups, top, paint)];
  const { unownedMemory: unowned } = summary;
  const notes = [
    summary.notVisible > 0 ? `${plural(summary.notVisible, "socket")} without a visible owner` : undefined,
    summary.kernelOwned > 0 ? `${formatCount(summary.kernelOwned)} owned by the kernel (such as TIME_WAIT)` : undefined,
    unowned && unowned.chargedBytes > 0 ? `${formatBytes(unowned.chargedBytes)} of buffers in these` : undefined,
    // Invisible io_uring registrations matter only if an owner is missing.
    ownersNote(summary.notVisible > 0 ? summary : { ...summary, ringHolders: [] }),
  ].filter((note) => note !== undefined);
  if (notes.length === 0) return lines;
  return [...lines, ...(lines.length === 0 ? [""] : []), paint("dim", `  ${notes.join("; ")}`)];
}

function groupTable(groups: readonly OwnerGroup[], top: number, paint: Paint): string[] {
  const rows = groups
    .slice(0, top)
    .map(({ group, processes, sockets, listening, established, timeWait, queuedBytes }) => [
      printable(group),
      ...[processes, sockets, listening, established, timeWait].map(formatCount),
      formatBytes(queuedBytes),
    ]);
  return table(["container or unit", "processes", ...OWNED], rows, groups.length, paint);
}

/** Returns why owners may be missing; undefined if every process could be inspected. */
export function ownersNote({
  unreadable,
  isHiding,
  ringHolders = [],
}: Pick<OwnerSummary, "unreadable" | "isHiding"> & Partial<Pick<OwnerSummary, "ringHolders">>): string | undefined {
  const hidden = isHiding
    ? "other users' processes are hidden (/proc is mounted with hidepid): run as root to see all"
    : unreadable > 0
      ? `${plural(unreadable, "process", "processes")} cannot be inspected: run as root to see all`
      : undefined;
  const rings =
    ringHolders.length > 0
      ? `the kernel does not reveal which sockets are registered with io_uring in ${ringHolders.slice(0, NAMED).map(ownerName).join(", ")}${ringHolders.length > NAMED ? " and others" : ""}`
      : undefined;
  return [hidden, rings].filter((note) => note !== undefined).join("; ") || undefined;
}

function ownerName({ command, pid }: Owner): string {
  return printable(`${command} (${pid})`);
}

function memoryCells({ receiveAllocBytes, sendQueuedBytes, chargedBytes }: OwnerMemory): string[] {
  return [receiveAllocBytes, sendQueuedBytes, chargedBytes].map(formatBytes);
}

/**
 * Returns an empty line, the heading, the rows, and the number of further rows. The result is empty if there are no
 * rows.
 */
export function table(header: string[], rows: string[][], distinct: number, paint: Paint): string[] {
  if (rows.length === 0) return [];
  const [heading, ...lines] = alignFigures([header, ...rows], "  ", paint.columns);
  const more = distinct - rows.length;
  return ["", paint("dim", heading!), ...lines, ...(more > 0 ? [paint("dim", `  and ${formatCount(more)} more`)] : [])];
}
