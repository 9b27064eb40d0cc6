// Represents the ports of one address as cells, 256 rows of 256 ports with port 0 at the top left, and computes the
// path that draws them. The other files of this folder draw everything around the cells.
import type { PortRange } from "../../util/endpoint.js";

export const PORTS = 65_536;
/** Number of cells in a row, and of rows. */
export const SIDE = 256;

/** The local ports of one address that are used by sockets in one role. */
export interface MapField {
  readonly ip: string;
  readonly role: "server" | "client";
  /** 65,536 cells; nonzero if the port is in use. */
  readonly ports: Uint8Array;
  /** Number of sockets that share these ports. */
  readonly sockets: number;
  /** Details of individual ports, such as those of listeners. */
  readonly known?: readonly KnownPort[];
}

export interface KnownPort {
  readonly port: number;
  /** The state in one word, such as `listening`. */
  readonly name: string;
  /** Number of connections that share the port. */
  readonly sockets: number;
}

/** Contents of a picture of ports. */
export interface PortMap {
  readonly title: string;
  /** Caption of one sentence. */
  readonly caption: string;
  /** Fields, most important first. */
  readonly fields: readonly MapField[];
  /** Number of addresses not included in the fields. */
  readonly omittedAddresses?: number | undefined;
  readonly ephemeral?: PortRange | undefined;
  /** Source and time of the data, such as `sock_diag, 2031-02-03 04:05 UTC`. */
  readonly source?: string | undefined;
}

export function countPorts(ports: Uint8Array): number {
  let count = 0;
  for (let port = 0; port < ports.length; port++) if (ports[port] !== 0) count++;
  return count;
}

/**
 * Returns an SVG path, in units of cells, whose rectangles (`h width v height`) cover the cells in use exactly once, so
 * that their total area is the number of ports. A run of ports that repeats in the rows below is part of the same
 * rectangle.
 */
export function pathOfPorts(ports: Uint8Array): string {
  let path = "";
  let last: Rectangle | undefined;
  let open = new Map<number, Rectangle>();
  for (let row = 0; row <= SIDE; row++) {
    const next = new Map<number, Rectangle>();
    for (const [x, width] of row < SIDE ? runsInRow(ports, row) : []) {
      const above = open.get(x);
      const isSame = above?.width === width;
      next.set(x, isSame ? { ...above, height: above.height + 1 } : { x, y: row, width, height: 1 });
      if (isSame) open.delete(x);
    }
    for (const rectangle of open.values()) {
      path += draw(rectangle, last);
      last = rectangle;
    }
    open = next;
  }
  return path;
}

/** Returns the cells of a port range, such as the ephemeral range. */
export function cellsOf({ first, last }: PortRange): Uint8Array {
  return new Uint8Array(PORTS).fill(1, first, last + 1);
}

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function* runsInRow(ports: Uint8Array, row: number): Generator<readonly [x: number, width: number]> {
  const start = row * SIDE;
  for (let x = 0; x < SIDE; x++) {
    if (ports[start + x] === 0) continue;
    const from = x;
    while (x < SIDE && ports[start + x] !== 0) x++;
    yield [from, x - from];
  }
}

/** Draws a rectangle relative to the start of the previous one, where `z` leaves the pen, to keep the path short. */
function draw({ x, y, width, height }: Rectangle, before: Rectangle | undefined): string {
  const move = before ? `m${x - before.x} ${y - before.y}` : `M${x} ${y}`;
  return `${move}h${width}v${height}h-${width}z`;
}
