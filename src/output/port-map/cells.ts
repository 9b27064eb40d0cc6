// The ports of one address as cells, their runs, and the path that draws them: 256 rows of 256 ports, port 0 at the
// top left. What stands around the cells is left to the pictures.
import type { PortRange } from "../../util/endpoint.js";

export const PORTS = 65_536;
/** Cells in a row, and rows: the picture is a square. */
export const SIDE = 256;

/** The local ports of one address that sockets in one role use. */
export interface MapField {
  readonly ip: string;
  readonly role: "server" | "client";
  /** 65,536 cells; other than 0 where the port is in use. */
  readonly ports: Uint8Array;
  /** Sockets that share those ports. */
  readonly sockets: number;
  /** What is known of single ports, such as those that are listened on. */
  readonly known?: readonly KnownPort[];
}

export interface KnownPort {
  readonly port: number;
  /** One word: `listening`. */
  readonly name: string;
  /** Connections that share it. */
  readonly sockets: number;
}

/** What a picture of ports shows. */
export interface PortMap {
  readonly title: string;
  /** One sentence. */
  readonly caption: string;
  /** The most telling first. */
  readonly fields: readonly MapField[];
  /** Further addresses that are not among the fields. */
  readonly omittedAddresses?: number | undefined;
  readonly ephemeral?: PortRange | undefined;
  /** Where the ports were read, and when: `sock_diag, 2031-02-03 04:05 UTC`. */
  readonly source?: string | undefined;
}

export function countPorts(ports: Uint8Array): number {
  let count = 0;
  for (let port = 0; port < ports.length; port++) if (ports[port] !== 0) count++;
  return count;
}

/**
 * An SVG path, one unit a cell, whose rectangles (`h width v height`) cover the cells in use exactly once: the sum of
 * their areas is the number of ports. Runs that repeat in the rows below are one rectangle.
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

/** The cells of a range of ports, such as the ephemeral ones. */
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

/** After `z` the pen is where the rectangle before began: steps from there are short to write. */
function draw({ x, y, width, height }: Rectangle, before: Rectangle | undefined): string {
  const move = before ? `m${x - before.x} ${y - before.y}` : `M${x} ${y}`;
  return `${move}h${width}v${height}h-${width}z`;
}
