// Marks a server's ports in the picture. A single lit pixel is easily missed, so each port gets a glow, a ring, and a
// line to its name.
import { formatCount, plural } from "../../util/units.js";
import { type KnownPort, SIDE } from "./cells.js";
import type { Panel } from "./layout.js";

/** The glow around a server's port, which is part of the picture's definitions. */
export const HALO =
  '<radialGradient id="halo"><stop class="halo" stop-opacity=".5"/><stop class="halo" offset=".4" stop-opacity=".22"/><stop class="halo" offset="1" stop-opacity="0"/></radialGradient>';

/** Maximum number of named ports in a panel; more names would overlap. */
const MAX_NAMED = 8;
/** Minimum size of a panel with names. Smaller panels have only rings. */
const NAMED_SIZE = 240;
/** With more named ports than this, names are short and take one line each. */
const ROOMY = 2;

/** Draws the glow in units of cells, below the lit pixels. */
export function drawGlow(panel: Panel): string {
  const pixel = SIDE / panel.size;
  return knownPorts(panel)
    .map(({ port }, index) => {
      const radius = glowOf(index, panel) * pixel;
      return `<circle cx="${(port % SIDE) + 0.5}" cy="${Math.floor(port / SIDE) + 0.5}" r="${round(radius)}" fill="url(#halo)"/>`;
    })
    .join("");
}

export function drawRings(panel: Panel): string {
  return knownPorts(panel)
    .map(({ port }, index) => {
      const { x, y } = placeOf(port, panel);
      return `<circle class="line" cx="${round(x)}" cy="${round(y)}" r="${ringOf(index, panel)}" pointer-events="none"/>`;
    })
    .join("");
}

/** Labels the ports with the most connections, as far as they fit. */
export function drawNames(panel: Panel): string {
  const named = knownPorts(panel).filter((_, index) => isNamed(index, panel));
  const isRoomy = named.length <= ROOMY;
  const height = isRoomy ? 42 : 22;
  const ordered = named.map((entry, index) => ({ entry, ring: ringOf(index, panel) }));
  ordered.sort((a, b) => a.entry.port - b.entry.port);
  const wanted = ordered.map(({ entry }) => placeOf(entry.port, panel).y + (isRoomy ? 34 : 18));
  const tops = stack(wanted, height, panel.y + panel.size - height / 2);
  return ordered.map(({ entry, ring }, index) => drawName(entry, tops[index]!, ring, isRoomy, panel)).join("");
}

function drawName({ port, name, sockets }: KnownPort, labelY: number, ring: number, isRoomy: boolean, panel: Panel) {
  const { x, y } = placeOf(port, panel);
  // Point away from the nearer edge, so that the name stays inside the panel.
  const side = port % SIDE < SIDE * 0.5 ? 1 : -1;
  const anchor = side === 1 ? "start" : "end";
  const elbow = side * 26;
  const reach = Math.hypot(elbow, labelY - y);
  const start = `${round(x + (elbow * ring) / reach)} ${round(y + ((labelY - y) * ring) / reach)}`;
  const line = `<path class="line" d="M${start}L${round(x + elbow)} ${round(labelY)}h${side * 14}" pointer-events="none"/>`;
  const at = `text-anchor="${anchor}" x="${round(x + elbow + side * 20)}" pointer-events="none"`;
  if (!isRoomy) {
    const count = sockets > 0 ? formatCount(sockets) : name;
    return `${line}<text class="small" ${at} y="${round(labelY + 4)}"><tspan font-weight="640">${port}</tspan><tspan class="where" dx="6">${count}</tspan></text>`;
  }
  const shared = sockets > 0 ? `, shared by ${plural(sockets, "connection")}` : "";
  return `${line}<text class="strong" ${at} y="${round(labelY + 2)}">port ${port}</text><text class="small muted" ${at} y="${round(labelY + 18)}">${name}${shared}</text>`;
}

/** Returns the known ports, most connections first. */
function knownPorts({ field }: Panel): readonly KnownPort[] {
  if (field.role !== "server") return [];
  return [...(field.known ?? [])].sort((a, b) => b.sockets - a.sockets || a.port - b.port);
}

function isNamed(index: number, { size }: Panel): boolean {
  return size >= NAMED_SIZE && index < MAX_NAMED;
}

/** Returns the radius of the glow, which is smaller if there are many ports. */
function glowOf(index: number, panel: Panel): number {
  if (!isNamed(index, panel)) return 9;
  return knownPorts(panel).length <= ROOMY ? 30 : 16;
}

function ringOf(index: number, panel: Panel): number {
  if (!isNamed(index, panel)) return 3.5;
  return knownPorts(panel).length <= ROOMY ? 8 : 5;
}

/** Returns the centre of a port's cell. */
function placeOf(port: number, { x, y, size }: Panel): { readonly x: number; readonly y: number } {
  const cell = size / SIDE;
  return { x: x + ((port % SIDE) + 0.5) * cell, y: y + (Math.floor(port / SIDE) + 0.5) * cell };
}

/**
 * Spreads names vertically: each one as close to its wanted position as the names above it allow, and none below
 * `lowest`.
 */
function stack(wanted: readonly number[], height: number, lowest: number): number[] {
  const tops: number[] = [];
  for (const want of wanted) tops.push(Math.max(want, (tops.at(-1) ?? -Infinity) + height));
  for (let index = tops.length - 1, limit = lowest; index >= 0; index--, limit -= height) {
    tops[index] = Math.min(tops[index]!, limit);
  }
  return tops;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
