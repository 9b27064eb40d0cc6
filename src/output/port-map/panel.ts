// Draws one address in the picture of ports: its 256 × 256 cells, the port numbers along its edge, and its name.
import type { PortRange } from "../../util/endpoint.js";
import { plural } from "../../util/units.js";
import { escapeXml } from "../html/escape.js";
import { cellsOf, countPorts, type MapField, type PortMap, pathOfPorts, SIDE } from "./cells.js";
import type { Panel } from "./layout.js";
import { drawGlow, drawNames, drawRings } from "./marks.js";

/** Ports that are labelled along the edge, one every 64 rows. */
const EDGE_PORTS = [0, 16_384, 32_768, 49_152, 65_535];
const QUARTERS = [64, 128, 192];

/** IDs of a panel's cells, which the narrow version of the page reuses. */
export interface CellIds {
  /** Prefix that is unique on the page. */
  readonly prefix: string;
  readonly index: number;
}

/**
 * @param isHero whether this is the large panel, which has port numbers along its edges and its name in the
 * heading
 */
export function drawPanel(panel: Panel, { ephemeral }: PortMap, isHero: boolean, ids?: CellIds): string {
  const { field, x, y, size } = panel;
  const { ip, role, ports, sockets } = field;
  const used = countPorts(ports);
  const pixel = SIDE / size;
  const quarters = QUARTERS.map((row) => `M0 ${row}h${SIDE}`).join("");
  const cells = [
    `<g class="field" data-ip="${escapeXml(ip)}" data-role="${role}" data-ports="${used}" data-sockets="${sockets}" transform="translate(${x} ${y}) scale(${size / SIDE})">`,
    `<title>${escapeXml(describe(field, used))}</title>`,
    // Styles apply to a copy made by 'use' only from its root element.
    ids ? `<g class="port-map" id="${ids.prefix}-${ids.index}">` : "",
    `<rect class="panel" width="${SIDE}" height="${SIDE}" stroke-width="${pixel}"/>`,
    ephemeral ? `<path class="range" d="${pathOfPorts(cellsOf(ephemeral))}"/>` : "",
    `<path class="rule" stroke-width="${pixel / 2}" d="${quarters}"/>`,
    drawGlow(panel),
    `<path class="lit ${role}${pixel > 1 ? " fine" : ""}" d="${pathOfPorts(ports)}"/>`,
    ids ? "</g>" : "",
    "</g>",
    drawRings(panel),
    drawNames(panel),
  ];
  if (isHero) cells.push(drawAxis(panel, ephemeral));
  else {
    cells.push(`<text class="tiny address" x="${x}" y="${y + size + 14}">${escapeXml(ip)}</text>`);
    cells.push(
      `<text class="tiny muted" x="${x}" y="${y + size + 27}">${role === "server" ? "server, " : ""}${plural(used, "port")}</text>`,
    );
  }
  return cells.join("");
}

function describe({ ip, role, sockets }: MapField, used: number): string {
  return `${ip} (${role}): ${plural(used, "port")} in use by ${plural(sockets, "socket")}`;
}

function drawAxis({ x, y, size }: Panel, ephemeral: PortRange | undefined): string {
  const marks = EDGE_PORTS.map((port, index) => {
    const top = y + (index / (EDGE_PORTS.length - 1)) * size;
    return `<text class="tiny muted" x="${x - 9}" y="${top + 4}" text-anchor="end">${port}</text><path class="rule" d="M${x - 5} ${top}h5"/>`;
  });
  if (!ephemeral) return marks.join("");
  const rowOf = (port: number) => y + (Math.floor(port / SIDE) / SIDE) * size;
  const [from, to] = [rowOf(ephemeral.first), rowOf(ephemeral.last + SIDE)];
  const edge = x + size + 8;
  return [
    ...marks,
    `<path class="rule" d="M${edge} ${from}h5V${to}h-5"/>`,
    `<text class="tiny muted" text-anchor="middle" transform="translate(${edge + 19} ${(from + to) / 2}) rotate(-90)">ephemeral range ${ephemeral.first}–${ephemeral.last}</text>`,
  ].join("");
}
