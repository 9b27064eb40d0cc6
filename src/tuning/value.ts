// Handles values of settings as text: comparison, port lists and rounding.
import { parsePorts } from "../util/endpoint.js";

export const RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports";
export const PORT_RANGE = "net.ipv4.ip_local_port_range";

const PORTS = 65_536;

/** Returns whether two texts are the same value. The kernel writes tabs between numbers and sorts port lists. */
export function isSameValue(name: string, a: string, b: string): boolean {
  return normalise(name, a) === normalise(name, b);
}

/** Separates numbers with one space, and writes port lists sorted and as ranges, like the kernel. */
export function normalise(name: string, text: string): string {
  if (name === RESERVED_PORTS) return formatPortList(parsePortList(text));
  return text.trim().split(/\s+/).join(" ");
}

/** Parses a list such as `8080,9148-9150` into a map of all ports, with 1 for those in the list. */
export function parsePortList(text: string): Uint8Array {
  const ports = new Uint8Array(PORTS);
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const { first, last } = parsePorts(part, part, 0);
    ports.fill(1, first, last + 1);
  }
  return ports;
}

/** Formats ports as sorted ranges like the kernel, such as `8080,9148-9150`. */
export function formatPortList(ports: Uint8Array): string {
  const runs: string[] = [];
  for (let first = 0; first < PORTS; first++) {
    if (ports[first] === 0) continue;
    let last = first;
    while (last + 1 < PORTS && ports[last + 1] === 1) last++;
    runs.push(first === last ? `${first}` : `${first}-${last}`);
    first = last;
  }
  return runs.join(",");
}

/** Parses the numbers of a setting; returns undefined if it is not numeric. */
export function parseNumbers(text: string | undefined): number[] | undefined {
  const words = text?.trim().split(/\s+/) ?? [];
  return words.length > 0 && words.every((word) => /^\d+$/.test(word)) ? words.map(Number) : undefined;
}

/** Rounds up to a number with three significant bits: at most a quarter more, and easy to read in powers of two. */
export function roundUp(value: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, value))) - 2);
  return Math.ceil(value / step) * step;
}

/** Rounds up to a power of two, the size of hash tables. */
export function toPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)));
}
