// Draws the port map as it fills up: for each address, 65,536 ports as pixels, in the order in which the run
// takes them.

import { formatCount, plural } from "../../../util/units.js";
import type { LiveField, LiveHead, LivePorts } from "../feed.js";
import { byId, colour, make, onScheme } from "./dom.js";

const SIDE = 256;
const PORTS = SIDE * SIDE;
/** Time between two events, over which the lit ports grow smoothly. */
const STEP_MS = 500;
/** With more ports than this, rings would hide them. */
const MOST_RINGS = 64;
/** Rows at which a line is drawn across, every 16,384 ports. */
const QUARTERS = [64, 128, 192];

type Rgb = readonly [number, number, number];

export class PortMaps {
  readonly #maps: PortMap[];
  readonly #role: LiveHead["role"];
  readonly #ports: LivePorts;
  readonly #forgetScheme: () => void;
  #frame = 0;

  constructor({ role }: LiveHead, ports: LivePorts) {
    this.#role = role;
    this.#ports = ports;
    const order = Uint16Array.from(
      ports.order.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, n) => first + n)),
    );
    const clients = ports.fields.filter(({ role }) => role === "client").length;
    this.#maps = ports.fields.map(
      (field, index) => new PortMap(field, order, ports.servers[index] ?? [], sizeOf(field, clients)),
    );
    // Addresses whose ports fill up come first.
    const [servers, others] = [true, false].map((isServer) => this.#maps.filter((map) => map.isServer === isServer));
    byId("maps").replaceChildren(...[...others!, ...servers!].map(({ figure }) => figure));
    byId("ports-note").textContent = noteOf(ports);
    this.#forgetScheme = onScheme(() => {
      for (const map of this.#maps) map.repaint();
    });
  }

  /** @param spans lit ranges of each field: from, to, from, to; see LiveNow.ports */
  show(spans: readonly (readonly number[])[], open: number): void {
    const used = spans.reduce((sum, each) => sum + sizeOfSpans(each), 0);
    byId("ports-caption").textContent = captionOf(this.#role, this.#ports, open, used);
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden;
    const before = this.#maps.map((map) => map.spans);
    const startMs = performance.now();
    cancelAnimationFrame(this.#frame);
    const draw = () => {
      const share = isStill ? 1 : Math.min(1, (performance.now() - startMs) / STEP_MS);
      for (const [index, map] of this.#maps.entries()) map.light(between(before[index]!, spans[index] ?? [], share));
      if (share < 1) this.#frame = requestAnimationFrame(draw);
    };
    draw();
    for (const [index, map] of this.#maps.entries())
      map.describe(map.isServer ? open : sizeOfSpans(spans[index] ?? []));
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#forgetScheme();
  }
}

class PortMap {
  readonly figure: HTMLElement;
  readonly isServer: boolean;
  spans: readonly number[] = [];
  readonly #ip: string;
  readonly #order: Uint16Array;
  readonly #fixed: readonly number[];
  readonly #canvas = make("canvas");
  readonly #context: CanvasRenderingContext2D;
  /** What the canvas shows, kept here because reading it back from the canvas would be slow. */
  readonly #image: ImageData;
  readonly #count = make("span");
  readonly #hovered = make("span");
  readonly #lit = new Uint8Array(PORTS);

  constructor({ ip, role }: LiveField, order: Uint16Array, fixed: readonly number[], size: string) {
    this.isServer = role === "server";
    this.#ip = ip;
    this.#order = order;
    this.#fixed = fixed;
    this.#canvas.width = this.#canvas.height = SIDE;
    this.#canvas.setAttribute("role", "img");
    this.#context = this.#canvas.getContext("2d", { alpha: false })!;
    this.#image = this.#context.createImageData(SIDE, SIDE);
    this.#canvas.addEventListener("pointermove", (event) => this.#hover(event));
    this.#canvas.addEventListener("pointerleave", () => {
      this.#hovered.textContent = "";
    });
    const caption = make(
      "figcaption",
      "",
      make("b", "", ip),
      this.isServer ? " server, " : " ",
      this.#count,
      this.#hovered,
    );
    this.figure = make("figure", size, this.#canvas, caption);
    this.repaint();
  }

  /** Lights exactly the ports in the given ranges. */
  light(spans: readonly number[]): void {
    if (spans.join() === this.spans.join()) return;
    const [from = 0, to = 0] = spans;
    const [beforeFrom = 0, beforeTo = 0] = this.spans;
    const onlyGrows = spans.length === 2 && this.spans.length <= 2 && from === beforeFrom && to >= beforeTo;
    this.spans = spans;
    if (onlyGrows) this.#paint([beforeTo, to]);
    else this.repaint();
  }

  repaint(): void {
    const [panel, edge] = [rgbOf(colour("--panel")), rgbOf(colour("--edge"))];
    this.#lit.fill(0);
    for (let port = 0; port < PORTS; port++) this.#set(port, QUARTERS.includes(port >> 8) ? edge : panel);
    this.#paintFixed();
    this.#paint(this.spans);
  }

  /** @param sockets connections that share a server's port, or ports in use at a client's address */
  describe(sockets: number): void {
    const text = this.isServer
      ? `${plural(this.#fixed.length, "port")}, ${plural(sockets, "connection")}`
      : `${formatCount(sockets)} of ${plural(this.#order.length, "port")}`;
    if (this.#count.textContent === text) return;
    this.#count.textContent = text;
    this.#canvas.setAttribute("aria-label", `${this.#ip}: ${text} in use`);
  }

  #paint(spans: readonly number[]): void {
    const [top, bottom] = [rgbOf(colour("--top")), rgbOf(colour("--bottom"))];
    const shades = Array.from({ length: SIDE }, (_, row) => mixed(top, bottom, row / SIDE));
    for (let index = 0; index + 1 < spans.length; index += 2) {
      for (let step = spans[index]!; step < spans[index + 1]!; step++) {
        const port = this.#order[step]!;
        this.#lit[port] = 1;
        this.#set(port, shades[port >> 8]!);
      }
    }
    this.#context.putImageData(this.#image, 0, 0);
  }

  /** Draws a server's ports, each with a ring, because a pixel alone is hard to find. */
  #paintFixed(): void {
    const server = rgbOf(colour("--server"));
    const plot = (x: number, y: number) => {
      if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) this.#set(y * SIDE + x, server);
    };
    for (const port of this.#fixed) {
      const [x, y] = [port % SIDE, port >> 8];
      this.#lit[port] = 1;
      for (let near = 0; near < 9; near++) plot(x - 1 + (near % 3), y - 1 + Math.floor(near / 3));
      if (this.#fixed.length > MOST_RINGS) continue;
      for (let degree = 0; degree < 360; degree += 3) {
        const angle = (degree / 180) * Math.PI;
        for (const radius of [8.6, 9.4])
          plot(Math.round(x + radius * Math.cos(angle)), Math.round(y + radius * Math.sin(angle)));
      }
    }
  }

  #set(port: number, [red, green, blue]: Rgb): void {
    const { data } = this.#image;
    data[port * 4] = red;
    data[port * 4 + 1] = green;
    data[port * 4 + 2] = blue;
    data[port * 4 + 3] = 255;
  }

  #hover(event: PointerEvent): void {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const [x, y] = [((event.clientX - left) / width) * SIDE, ((event.clientY - top) / height) * SIDE].map(
      Math.floor,
    ) as [number, number];
    const port = Math.min(PORTS - 1, Math.max(0, y * SIDE + x));
    this.#hovered.textContent = ` · port ${port}: ${this.#lit[port] ? "in use" : "not in use"}`;
  }
}

function sizeOf({ role }: LiveField, clients: number): string {
  if (role === "client" && clients === 1) return "hero";
  return clients <= 4 ? "half" : "";
}

function captionOf(role: LiveHead["role"], ports: LivePorts, open: number, used: number): string {
  if (role === "serve") return `${plural(open, "connection")}, one port.`;
  const servers = ports.servers.reduce((sum, each) => sum + each.length, 0);
  const share = open > 1 ? ` share ${plural(servers, "port")} at the server` : ` to ${plural(servers, "port")}`;
  const clients = ports.order.length === 0 ? "" : `; ${plural(used, "port")} in use at this end`;
  return `${plural(open, "connection")}${share}${clients}.`;
}

function noteOf({ note, omittedAddresses }: LivePorts): string {
  const more = omittedAddresses > 0 ? `${plural(omittedAddresses, "more address", "more addresses")} not shown. ` : "";
  return `${more}${note === undefined ? "" : `${note}.`} Each row of a square holds 256 ports, port 0 at the top left.`.trim();
}

function sizeOfSpans(spans: readonly number[]): number {
  return spans.reduce((sum, value, index) => sum + (index % 2 === 0 ? -value : value), 0);
}

/**
 * Returns spans part of the way from one state to the next. If the number of spans changes, there is nothing in
 * between.
 */
function between(before: readonly number[], after: readonly number[], share: number): readonly number[] {
  const start = before.length === 0 && after.length === 2 ? [after[0]!, after[0]!] : before;
  if (start.length !== after.length) return after;
  return after.map((value, index) => Math.round(start[index]! + (value - start[index]!) * share));
}

function rgbOf(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function mixed(from: Rgb, to: Rgb, share: number): Rgb {
  return [0, 1, 2].map((part) => from[part]! + (to[part]! - from[part]!) * share) as unknown as Rgb;
}
