// A server's ports in the picture: a single lit pixel is easily missed, so it glows, has a ring, and a line leads to
// its name.
import { formatCount, plural } from "../../util/units.js";
import { type KnownPort, SIDE } from "./cells.js";
import type { Panel } from "./layout.js";

/** The glow around a server's port; goes into the picture's definitions. */
export const HALO =
  '<radialGradient id="halo"><stop class="halo" stop-opacity=".5"/><stop class="halo" offset=".4" stop-opacity=".22"/><stop class="halo" offset="1" stop-opacity="0"/></radialGradient>';

/** Ports of one panel that get a name; more would cover each other. */
const MAX_NAMED = 8;
/** Below this size of a panel there is room for rings only. */
const NAMED_SIZE = 240;
/** Names of more ports than this are short, one line each. */
const ROOMY = 2;

/** In cells, to be drawn below the lit pixels. */
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

/** Names for the ports with the most connections, where there is room. */
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
  // Away from the nearer edge, so that the name stays inside of the panel.
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

/** The most connections first. */
function knownPorts({ field }: Panel): readonly KnownPort[] {
  if (field.role !== "server") return [];
  return [...(field.known ?? [])].sort((a, b) => b.sockets - a.sockets || a.port - b.port);
}

function isNamed(index: number, { size }: Panel): boolean {
  return size >= NAMED_SIZE && index < MAX_NAMED;
}

/** Many that glow would drown each other. */
function glowOf(index: number, panel: Panel): number {
  if (!isNamed(index, panel)) return 9;
  return knownPorts(panel).length <= ROOMY ? 30 : 16;
}

function ringOf(index: number, panel: Panel): number {
  if (!isNamed(index, panel)) return 3.5;
  return knownPorts(panel).length <= ROOMY ? 8 : 5;
}

/** Where the middle of a port's cell is. */
function placeOf(port: number, { x, y, size }: Panel): { readonly x: number; readonly y: number } {
  const cell = size / SIDE;
  return { x: x + ((port % SIDE) + 0.5) * cell, y: y + (Math.floor(port / SIDE) + 0.5) * cell };
}

/** Keeps names apart: each as near to where it would like to be as those above it allow, none below `lowest`. */
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
