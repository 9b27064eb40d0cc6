// Formats `ports --pressure` as text: the verdict, then destinations, pools of bound ports and NAT ports.

import type {
  BoundPoolRow,
  Pressure,
  PressureRow,
  TranslatedPorts,
  TranslatedRow,
} from "../../../results/sockets/pressure.js";
import { formatEndpoint } from "../../../util/endpoint.js";
import { printableData } from "../../../util/printable.js";
import { formatCount, plural } from "../../../util/units.js";
import type { Paint } from "../../terminal/paint.js";
import { ownersNote, table } from "./tables.js";

/** Shows how close each destination is to EADDRNOTAVAIL. */
export function pressureTable({ rows, distinct }: Pressure, top: number, paint: Paint): string[] {
  const shown = rows.slice(0, top);
  const hasOwners = shown.some(({ owners }) => owners !== undefined);
  const cells = shown.map((row) => [...shareCells(row), ...(hasOwners ? [owners(row)] : [])]);
  const header = ["source → destination", ...SHARE_HEADER, ...(hasOwners ? ["process"] : [])];
  return marked(table(header, cells, distinct, paint), shown, paint);
}

/** Returns the verdict, then the tables. */
export function pressureText(of: Pressure, top: number, paint: Paint): string {
  const pressure = printableData(of);
  const { portRange, kernelCapacity, reservedPorts, listeningPorts, outgoing, distinct, bound, translated } = pressure;
  const range = `${portRange.first}-${portRange.last}`;
  const pairs = plural(distinct, "source and destination", "pairs of source and destination");
  return [
    `${verdict(pressure, paint)}: ${plural(outgoing, "socket")} opened from here to ${pairs}`,
    paint(
      "dim",
      `ip_local_port_range ${range}: ${formatCount(kernelCapacity)} available per pair (${formatCount(reservedPorts)} reserved, ${formatCount(listeningPorts)} with a listener)`,
    ),
    ...pressureTable(pressure, top, paint),
    ...boundLines(bound ?? [], top, paint),
    ...(translated ? translatedLines(translated, top, paint) : []),
    ...ownerNotes(pressure, paint),
  ].join("\n");
}

/** Returns a note on what could not be inspected; undefined if nothing was left out. */
export function pressureNote({ translated }: Pressure): string | undefined {
  const errno = translated?.refusedErrno;
  return errno === undefined
    ? undefined
    : `note: conntrack cannot be read (${errno}), so source ports used by NAT on this host are not shown; run as root`;
}

/** Returns the highest value above `share`; undefined if there is none. */
export function aboveText({ rows, bound = [], translated }: Pressure, share: number): string | undefined {
  const worst = [
    ...rows.map((row) => ({ name: pairName(row), share: row.share })),
    ...bound.map((row) => ({ name: `${row.sourceIp}, bound ports`, share: row.share })),
    ...(translated?.rows ?? []).map((row) => ({ name: `${pairName(row)}, NAT`, share: row.share })),
  ].sort((a, b) => b.share - a.share)[0];
  if (worst === undefined || worst.share <= share) return undefined;
  return `above ${percent({ share })}: ${worst.name} at ${percent(worst)}`;
}

function verdict({ marked: destinations, bound = [], translated }: Pressure, paint: Paint): string {
  const pools = bound.filter(({ isMarked }) => isMarked).length;
  const behindNat = translated?.marked ?? 0;
  const full = [
    destinations > 0 ? plural(destinations, "destination") : undefined,
    pools > 0 ? `${plural(pools, "pool")} of bound ports` : undefined,
    behindNat > 0 ? `${plural(behindNat, "NAT destination")}` : undefined,
  ].filter((part) => part !== undefined);
  if (full.length === 0) return paint("good", "no destination uses more than 80% of its source ports");
  const uses = destinations + pools + behindNat === 1 ? "uses" : "use";
  return paint("bad", `${full.join(" and ")} ${uses} more than 80% of the source ports`);
}

const SHARE_HEADER = ["in use", "TIME_WAIT", "of", "left", "share"];

function shareCells(row: PressureRow | TranslatedRow): string[] {
  return [
    pairName(row),
    formatCount(row.inUse),
    formatCount(row.timeWait),
    formatCount(row.capacity),
    formatCount(row.left),
    percent(row),
  ];
}

export function pairName({ sourceIp, destinationIp, destinationPort }: PressureRow | TranslatedRow): string {
  return `${sourceIp} → ${formatEndpoint(destinationIp, destinationPort)}`;
}

function boundLines(rows: readonly BoundPoolRow[], top: number, paint: Paint): string[] {
  if (rows.length === 0) return [];
  const cells = rows
    .slice(0, top)
    .map((row) => [
      row.sourceIp,
      formatCount(row.bound),
      formatCount(row.destinations),
      formatCount(row.inUse),
      formatCount(row.capacity),
      formatCount(row.left),
      percent(row),
    ]);
  const header = ["bound before connect()", "bound", "destinations", "in use", "of", "left", "share"];
  return [
    ...marked(table(header, cells, rows.length, paint), rows, paint),
    paint(
      "dim",
      "  bind(address, 0) takes a port for all destinations at once; with IP_BIND_ADDRESS_NO_PORT, connect() chooses the port and each destination has the whole range",
    ),
  ];
}

function translatedLines({ rows, distinct }: TranslatedPorts, top: number, paint: Paint): string[] {
  const shown = rows.slice(0, top);
  const cells = shown.map((row) => shareCells(row));
  const lines = marked(table(["NAT source → destination", ...SHARE_HEADER], cells, distinct, paint), shown, paint);
  const ranges = new Set(
    shown.map(({ ports, rule }) =>
      rule === undefined
        ? `ports ${ports.first}-${ports.last}: not limited by any readable rule`
        : `ports ${ports.first}-${ports.last}: ${rule}`,
    ),
  );
  const notes = [...ranges].map((text) => paint("dim", `  ${text}`));
  return lines.length === 0
    ? []
    : [...lines, ...notes, paint("dim", "  from conntrack; no socket on this host holds these ports")];
}

function owners({ owners: all = [] }: PressureRow): string {
  const name = ({ pid, command }: (typeof all)[number]) => (pid === undefined ? "not visible" : `${command} (${pid})`);
  // If there is a single owner, the owner's count would repeat the total.
  return all.map((owner) => (all.length === 1 ? name(owner) : `${name(owner)} ${formatCount(owner.inUse)}`)).join(", ");
}

function ownerNotes({ unreadable, isHiding }: Pressure, paint: Paint): string[] {
  const note = unreadable === undefined ? undefined : ownersNote({ unreadable, isHiding: isHiding ?? false });
  return note === undefined ? [] : ["", paint("dim", `  ${note}`)];
}

/**
 * Paints rows above the mark red.
 * @param lines text of which the first two lines are an empty line and the heading
 */
function marked(lines: readonly string[], rows: readonly { readonly isMarked: boolean }[], paint: Paint): string[] {
  return lines.map((line, index) => (rows[index - 2]?.isMarked ? paint("bad", line) : line));
}

export function percent({ share }: { readonly share: number }): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;
}
