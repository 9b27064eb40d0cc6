// PROXY protocol header, versions 1 and 2: a connection's source and destination, sent before any other data. Servers
// behind a load balancer may require it (haproxy accept-proxy, nginx proxy_protocol).
// @see https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
import { type Family, formatIp } from "../util/address.js";

export const PROXY_VERSIONS = ["v1", "v2"] as const;
export type ProxyVersion = (typeof PROXY_VERSIONS)[number];

/** Maximum length of a header in either version. */
export const PROXY_HEADER_SIZE = 107;

export interface ProxyEnd {
  readonly ip: { readonly family: Family; readonly bytes: Uint8Array };
  readonly port: number;
}

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const VERSION_2_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;

/**
 * Writes the header for a connection from `source` to `destination`, which have the same family, at the start of
 * `bytes`.
 *
 * @returns length of the header
 */
export function writeProxyHeader(
  bytes: Buffer,
  version: ProxyVersion,
  source: ProxyEnd,
  destination: ProxyEnd,
): number {
  const { family } = source.ip;
  if (version === "v1") {
    // Omit the zone, which only has a meaning on this host.
    const [from, to] = [source, destination].map(({ ip }) => formatIp({ family: ip.family, bytes: ip.bytes }));
    return bytes.write(`PROXY TCP${family} ${from} ${to} ${source.port} ${destination.port}\r\n`, "latin1");
  }
  bytes.set(SIGNATURE);
  let at = SIGNATURE.length;
  at = bytes.writeUInt8(VERSION_2_PROXY, at);
  at = bytes.writeUInt8(family === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6, at);
  at = bytes.writeUInt16BE(2 * source.ip.bytes.length + 4, at);
  bytes.set(source.ip.bytes, at);
  bytes.set(destination.ip.bytes, at + source.ip.bytes.length);
  at += 2 * source.ip.bytes.length;
  at = bytes.writeUInt16BE(source.port, at);
  return bytes.writeUInt16BE(destination.port, at);
}
