// Draws the picture of ports as SVG: which of an address's 65,536 ports are in use, one pixel each. The total area of
// the rectangles in paths of class "lit" is the number of ports in use, so the picture is evidence that can be
// verified.
import { formatCount, plural } from "../../util/units.js";
import { escapeXml } from "../html/escape.js";
import { countPorts, type MapField, type PortMap, SIDE } from "./cells.js";
import { FOOTER, type Layout, LEFT, layOut, RIGHT, TOP } from "./layout.js";
import { HALO } from "./marks.js";
import { drawPanel } from "./panel.js";
import { PORT_MAP_STYLE } from "./style.js";

/** What the cells mean; the picture of a terminal has coarser ones. */
const KEY = "Each lit pixel is a port in use.";

/** SVG definitions that the pictures' colours refer to. */
const DEFINITIONS = `<defs><linearGradient id="field" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="0" y2="${SIDE}"><stop class="top"/><stop class="bottom" offset="1"/></linearGradient>${HALO}</defs>`;

/**
 * Definitions for a page with several pictures. The definitions must appear once on the page, before the first
 * picture.
 */
export const PORT_MAP_DEFINITIONS = `<svg class="port-map" width="0" height="0" style="position:absolute" aria-hidden="true">${DEFINITIONS}</svg>`;

/** @returns a standalone SVG file for light and dark themes */
export function portMapSvg(map: PortMap): string {
  const layout = layOut(map.fields, map.omittedAddresses);
  const { width, height } = layout;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="port-map" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="map-title map-caption">`,
    `<style>${PORT_MAP_STYLE}</style>`,
    DEFINITIONS,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<text id="map-title" class="title" x="${LEFT}" y="66">${escapeXml(map.title)}</text>`,
    `<text id="map-caption" class="caption muted" x="${LEFT}" y="94">${escapeXml(map.caption)} ${KEY}</text>`,
    ...drawBody(map, layout),
    map.source === undefined
      ? ""
      : `<text class="tiny muted" x="${LEFT}" y="${layout.footerY}">Read from the kernel's socket table: ${escapeXml(map.source)}</text>`,
    "</svg>\n",
  ].join("\n");
}

/**
 * Draws a picture without title and caption, which are part of the page. The picture is as wide as its cells and
 * labels.
 *
 * @param labelledBy IDs of the elements on the page that name and describe it
 * @returns a picture for a page that has PORT_MAP_STYLE and PORT_MAP_DEFINITIONS
 */
export function portMapFigure(map: PortMap, labelledBy: string): string {
  const layout = layOut(map.fields, map.omittedAddresses);
  const [x, y] = [LEFT - EDGE_LABELS, TOP - HEADINGS];
  const box = `${x} ${y} ${layout.width - x - RIGHT} ${layout.height - y - FOOTER}`;
  return [
    `<svg class="port-map" viewBox="${box}" role="img" aria-labelledby="${labelledBy}">`,
    ...drawBody(map, layout, labelledBy.split(" ")[0]),
    "</svg>",
    drawNarrow(map, layout, labelledBy.split(" ")[0]!),
  ].join("\n");
}

/**
 * Draws the same panels for a phone, each with a description below it. The panels reuse the cells of the main
 * picture.
 */
function drawNarrow(map: PortMap, { hero, others, more }: Layout, prefix: string): string {
  const panels = [...(hero ? [hero] : []), ...others].map(({ field }, index) => {
    const { ip, role, ports, sockets } = field;
    const known = (field.known ?? []).map(({ port, name }) => `${port} ${name}`).join(", ");
    const words = `${role} ${ip}: ${plural(countPorts(ports), "port")} in use by ${plural(sockets, "socket")}${known && ` (${known})`}`;
    return `<div${index === 0 ? ' class="large"' : ""}><svg viewBox="0 0 ${SIDE} ${SIDE}" role="img" aria-label="${escapeXml(words)}"><use href="#${prefix}-cells-${index}"/></svg><p class="figures">${escapeXml(words)}</p></div>`;
  });
  const rest = more ? `<p class="figures">and ${formatCount(more.count)} more</p>` : "";
  const range = map.ephemeral ? `; ephemeral range ${map.ephemeral.first}–${map.ephemeral.last}` : "";
  const legend = `<p class="figures large">Each row holds 256 ports, port 0 is at the top left${range}.</p>`;
  return `<div class="narrow-ports port-map">${panels.join("")}${rest}${legend}</div>`;
}

/** Space to the left of and above the cells of a figure, for port numbers and headings. */
const EDGE_LABELS = 46;
const HEADINGS = 60;

function drawBody(map: PortMap, layout: Layout, prefix?: string): string[] {
  const ids = (index: number) => (prefix === undefined ? undefined : { prefix: `${prefix}-cells`, index });
  return [
    ...drawHeadings(map, layout),
    ...(layout.hero ? [drawPanel(layout.hero, map, true, ids(0))] : []),
    ...layout.others.map((panel, index) => drawPanel(panel, map, false, ids(index + (layout.hero ? 1 : 0)))),
    ...drawMore(layout),
    ...drawLegend(map, layout),
  ];
}

/** Draws the two key figures: the number of ports used on each side. */
function drawHeadings({ fields, omittedAddresses = 0 }: PortMap, { hero, others }: Layout): string[] {
  if (!hero) return [];
  const right = others[0];
  const lines = [heading(hero.x, hero.field.role, countPorts(hero.field.ports), hero.field.ip, hero.field.role)];
  if (!right) return lines;
  const rest = fields.slice(1);
  const ports = rest.reduce((sum, field) => sum + countPorts(field.ports), 0);
  const servers = rest.filter(({ role }) => role === "server").length;
  const isMixed = servers > 0 && servers < rest.length;
  const role = isMixed
    ? `${plural(servers, "server")}, ${plural(rest.length - servers, "client")}`
    : `${right.field.role}${rest.length > 1 ? "s" : ""}`;
  const addresses = plural(rest.length, "address", "addresses");
  const where =
    omittedAddresses > 0 ? `on ${addresses} of ${formatCount(rest.length + omittedAddresses)}` : `on ${addresses}`;
  return [...lines, heading(right.x, role, ports, rest.length === 1 ? right.field.ip : where, right.field.role)];
}

function heading(x: number, over: string, ports: number, where: string, role: MapField["role"]): string {
  const tone = role === "server" ? "server" : "clients";
  return [
    `<text class="role muted" x="${x}" y="${TOP - 44}">${over.toUpperCase()}</text>`,
    `<text class="figure" x="${x}" y="${TOP - 18}"><tspan class="${tone}">${plural(ports, "port")}</tspan><tspan class="where" dx="9">${escapeXml(where)}</tspan></text>`,
  ].join("");
}

function drawMore({ more }: Layout): string[] {
  if (!more) return [];
  const { x, y, size, count } = more;
  const middle = `x="${x + size / 2}" text-anchor="middle"`;
  return [
    `<rect class="rule" stroke-dasharray="3 4" x="${x + 0.5}" y="${y + 0.5}" width="${size - 1}" height="${size - 1}"/>`,
    `<text class="strong muted" ${middle} y="${y + size / 2}">and ${formatCount(count)}</text><text class="small muted" ${middle} y="${y + size / 2 + 17}">more</text>`,
  ];
}

function drawLegend({ fields, ephemeral }: PortMap, { legendY }: Layout): string[] {
  const rows = (["server", "client"] as const).flatMap((role) => {
    const ofRole = fields.filter((field) => field.role === role);
    return ofRole.length === 0 ? [] : [[role === "server" ? "server" : "clients", describeRole(role, ofRole)] as const];
  });
  const all: (readonly [string, string])[] = [...rows];
  if (ephemeral) {
    const size = ephemeral.last - ephemeral.first + 1;
    all.push(["range", `${plural(size, "port")} that the kernel chooses from (ephemeral range)`]);
  }
  all.push(["panel", "port not in use; 256 per row, port 0 at the top left"]);
  const x = LEFT;
  return all.map(([tone, text], index) => {
    const y = legendY + index * 24;
    return `<rect class="${tone}" x="${x}" y="${y - 10}" width="11" height="11" rx="2"/><text class="small" x="${x + 22}" y="${y}">${escapeXml(text)}</text>`;
  });
}

function describeRole(role: MapField["role"], fields: readonly MapField[]): string {
  const ports = fields.reduce((sum, field) => sum + countPorts(field.ports), 0);
  const sockets = fields.reduce((sum, field) => sum + field.sockets, 0);
  const end = role === "client" && fields.length > 1 ? "clients" : role;
  const where = fields.length === 1 ? fields[0]!.ip : plural(fields.length, "address", "addresses");
  return `${end}, ${where}: ${plural(ports, "port")} in use by ${plural(sockets, "socket")}`;
}
