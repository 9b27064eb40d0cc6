// Converts a set of endpoints to a condition on one end of a socket that matches exactly these combinations of address
// and port.
import { formatIp, type IpAddress } from "../util/address.js";
import type { PortRange } from "../util/endpoint.js";
import type { EndQuery } from "./query.js";

export interface Endpoint {
  readonly ip: IpAddress;
  readonly port: number;
}

/** Returns the condition that an end is one of the endpoints. Addresses with the same ports share a condition. */
export function endpointsQuery(endpoints: readonly Endpoint[]): EndQuery {
  const byAddress = new Map<string, { ip: IpAddress; ports: number[] }>();
  for (const { ip, port } of endpoints) {
    const key = formatIp(ip);
    const found = byAddress.get(key);
    if (found) found.ports.push(port);
    else byAddress.set(key, { ip, ports: [port] });
  }
  const byPorts = new Map<string, { ips: IpAddress[]; ports: readonly PortRange[] }>();
  for (const { ip, ports } of byAddress.values()) {
    const ranges = toRanges(ports);
    const key = ranges.map(({ first, last }) => `${first}-${last}`).join();
    const found = byPorts.get(key);
    if (found) found.ips.push(ip);
    else byPorts.set(key, { ips: [ip], ports: ranges });
  }
  const queries = [...byPorts.values()].map(
    ({ ips, ports }): EndQuery => ({ addresses: ips.map((first) => ({ first, count: 1 })), ports }),
  );
  return queries.length === 1 ? queries[0]! : { oneOf: queries };
}

/** Returns the smallest set of ranges that contains exactly these ports, given in any order and with duplicates. */
export function toRanges(ports: readonly number[]): PortRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (const port of [...ports].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range && port <= range.last + 1) range.last = port;
    else ranges.push({ first: port, last: port });
  }
  return ranges;
}
