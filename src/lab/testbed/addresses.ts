// The server's ports and the client's addresses, which are consecutive.
import { addToIp, formatIp, parseIp } from "../../util/address.js";

/** The port that everything in the lab is about, as in the article. */
export const PORT = 7777;
/** The experiments' servers listen on PORT or on one of those that follow: so many in all. */
export const PORTS = 5;

/** `count` addresses that follow each other. */
export function addressesFrom(first: string, count: number): string[] {
  const start = parseIp(first);
  return Array.from({ length: count }, (_, i) => formatIp(addToIp(start, i)));
}

/** As the command line takes them: `10.77.1.1-10.77.1.4`. */
export function describeAddresses(ips: readonly string[]): string {
  return ips.length === 1 ? ips[0]! : `${ips[0]}-${ips.at(-1)}`;
}
