// Draws the picture of ports on a terminal in braille dots, 80 columns wide. A dot stands for several ports. The dot
// is lit if enough of its ports are in use, so that a half-filled field looks half full. Every port in use lights at
// least one dot nearby.
import { plural } from "../../util/units.js";
import { countPorts, type MapField, type PortMap, SIDE } from "./cells.js";

/** Functions that paint text; the caller chooses the terminal colours. */
export type MapPaint = (tone: "bold" | "dim" | "good" | "accent", text: string) => string;

/** Bits of the dots in a braille character, which has four rows of two. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
// Ordered dithering (Bayer): share of a dot's ports that must be in use to light it.
const THRESHOLDS = [
  [0, 8, 2, 10],
  [12, 4, 14, 6],
  [3, 11, 1, 9],
  [15, 7, 13, 5],
].map((row) => row.map((rank) => (rank + 0.5) / 16));
const EDGE_PORTS = ["    0", "16384", "32768", "49152", "65535"];
const LARGE = { columns: 32, rows: 16 };
const SMALL = { columns: 16, rows: 8 };
const WIDTH = 80;
const PER_LINE = 4;
const MAX_SMALL = 12;
const MAX_NAMED = 8;

/**
 * @param width width of the terminal, at least 40
 * @returns lines of at most 80 columns; captions may be wider than a narrow terminal
 */
export function portMapText(map: PortMap, paint: MapPaint = (_, text) => text, width = WIDTH): string {
  const [first, ...rest] = map.fields;
  const lines = [paint("bold", map.title), paint("dim", map.caption), ""];
  if (first) lines.push(...drawLarge(first, paint, width >= WIDTH));
  const shown = rest.slice(0, MAX_SMALL);
  const perLine = Math.max(1, Math.min(PER_LINE, Math.floor((width + 1) / (SMALL.columns + 3))));
  for (let index = 0; index < shown.length; index += perLine) {
    lines.push("", ...drawRow(shown.slice(index, index + perLine), paint));
  }
  const hidden = rest.length - shown.length + (map.omittedAddresses ?? 0);
  if (hidden > 0) lines.push("", paint("dim", `and ${plural(hidden, "more address", "more addresses")}`));
  const range = map.ephemeral ? `; ephemeral range ${map.ephemeral.first}-${map.ephemeral.last}` : "";
  lines.push("", paint("dim", `a large dot is 16 ports, a small panel's 64${range}`));
  if (map.source) lines.push(paint("dim", `read from the kernel's socket table: ${map.source}`));
  return `${lines.join("\n")}\n`;
}

/** Draws the large panel with port numbers on the left, and notes on the right or, without room, below. */
function drawLarge(field: MapField, paint: MapPaint, hasRoomBeside: boolean): string[] {
  const { columns, rows } = LARGE;
  const cells = toBraille(field.ports, LARGE).map((line) => [...line]);
  const known = field.role === "server" ? knownPorts(field) : [];
  const place = (port: number) => ({
    row: Math.floor((Math.floor(port / SIDE) / SIDE) * rows),
    column: Math.floor(((port % SIDE) / SIDE) * columns),
  });
  for (const { port } of known) cells[place(port).row]![place(port).column] = "◉";
  const notes = new Map<number, string>();
  for (const entry of known) notes.set(freeRow(notes, place(entry.port).row, rows), nameOf(entry, paint));
  const body = cells.map((line, row) => {
    const note = hasRoomBeside ? notes.get(row) : undefined;
    const text = line.map((sign) => (sign === "◉" ? paint("good", sign) : sign)).join("");
    return `${edge(row, paint)}│${field.role === "client" ? paint("accent", text) : text}│${note === undefined ? "" : `─ ${note}`}`;
  });
  const used = countPorts(field.ports);
  return [
    `      ${field.role} ${paint("bold", field.ip)}: ${plural(used, "port")} in use by ${plural(field.sockets, "socket")}`,
    `      ┌${"─".repeat(columns)}┐`,
    ...body,
    `${EDGE_PORTS.at(-1)} └${"─".repeat(columns)}┘`,
    ...(hasRoomBeside ? [] : known.map((entry) => `      ${nameOf(entry, paint)}`)),
  ];
}

function edge(row: number, paint: MapPaint): string {
  return `${paint("dim", row % 4 === 0 ? EDGE_PORTS[row / 4]! : "     ")} `;
}

/** Returns the first row without a note, searching down from `wanted` and then up. */
function freeRow(notes: ReadonlyMap<number, string>, wanted: number, rows: number): number {
  for (let row = wanted; row < rows; row++) if (!notes.has(row)) return row;
  for (let row = wanted; row >= 0; row--) if (!notes.has(row)) return row;
  return wanted;
}

function nameOf({ port, name, sockets }: NonNullable<MapField["known"]>[number], paint: MapPaint): string {
  const count = sockets > 0 ? `: ${plural(sockets, "connection")}` : `, ${name}`;
  return `${paint("bold", `${port}`)}${count}`;
}

function knownPorts(field: MapField): NonNullable<MapField["known"]> {
  const most = [...(field.known ?? [])].sort((a, b) => b.sockets - a.sockets || a.port - b.port);
  return most.slice(0, MAX_NAMED).sort((a, b) => a.port - b.port);
}

function drawRow(fields: readonly MapField[], paint: MapPaint): string[] {
  const { columns, rows } = SMALL;
  const pad = (text: string) => shorten(text, columns + 2).padEnd(columns + 2);
  const pictures = fields.map(({ ports }) => toBraille(ports, SMALL));
  const across = (cell: (index: number) => string) => fields.map((_, index) => cell(index)).join(" ");
  const tone = (index: number) => (fields[index]!.role === "server" ? "good" : "accent");
  return [
    across(() => `┌${"─".repeat(columns)}┐`),
    ...Array.from({ length: rows }, (_, row) => across((index) => `│${paint(tone(index), pictures[index]![row]!)}│`)),
    across(() => `└${"─".repeat(columns)}┘`),
    across((index) => pad(fields[index]!.ip)),
    across((index) => paint("dim", pad(plural(countPorts(fields[index]!.ports), "port")))),
  ].map((line) => line.trimEnd());
}

/** Shortens an IPv6 address that is wider than the panel. The middle is cut, because both ends are informative. */
function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - end)}…${text.slice(-end)}`;
}

/** Converts the cells to lines of braille. */
export function toBraille(ports: Uint8Array, { columns, rows }: { columns: number; rows: number }): string[] {
  const [width, height] = [SIDE / (columns * 2), SIDE / (rows * 4)];
  const shareOf = (dotX: number, dotY: number) => {
    let used = 0;
    for (let y = dotY * height; y < (dotY + 1) * height; y++) {
      for (let x = dotX * width; x < (dotX + 1) * width; x++) if (ports[y * SIDE + x] !== 0) used++;
    }
    return used / (width * height);
  };
  const signOf = (column: number, row: number) => {
    let bits = 0;
    let densest = { share: 0, bit: 0 };
    for (const [y, pair] of DOTS.entries()) {
      for (const [x, bit] of pair.entries()) {
        const [dotX, dotY] = [column * 2 + x, row * 4 + y];
        const share = shareOf(dotX, dotY);
        if (share > THRESHOLDS[dotY % 4]![dotX % 4]!) bits |= bit;
        if (share > densest.share) densest = { share, bit };
      }
    }
    return bits || densest.bit;
  };
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => String.fromCharCode(0x2800 + signOf(column, row))).join(""),
  );
}
