// Ports of the server and addresses of the client, both consecutive, and of links to a router.
import { addToIp, formatIp, parseIp } from "../../util/address.js";

/** Main port of the lab, the same as in the blog post. */
export const PORT = 7777;
/** Number of consecutive ports, starting with PORT, that the experiments' servers listen on. */
export const PORTS = 5;

/** A link between a router and another host, with the addresses of both ends. */
export interface Link {
  readonly routerDevice: string;
  readonly routerIp: string;
  readonly device: string;
  readonly ip: string;
}

/** Returns `count` consecutive addresses. */
export function addressesFrom(first: string, count: number): string[] {
  const start = parseIp(first);
  return Array.from({ length: count }, (_, i) => formatIp(addToIp(start, i)));
}

/** Formats addresses for the command line: `10.77.1.1-10.77.1.4`. */
export function describeAddresses(ips: readonly string[]): string {
  return ips.length === 1 ? ips[0]! : `${ips[0]}-${ips.at(-1)}`;
}
