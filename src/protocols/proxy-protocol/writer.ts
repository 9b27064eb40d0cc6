// Writes the PROXY protocol header of a client's connections.
import { type Family, formatIp } from "../../util/address.js";
import { type ProxyVersion, V1_LENGTH, V2_COMMAND, V2_FAMILY, V2_SIGNATURE } from "./format.js";

/** Maximum length of a header in either version. */
export const PROXY_HEADER_SIZE = V1_LENGTH;

export interface ProxyEnd {
  readonly ip: { readonly family: Family; readonly bytes: Uint8Array };
  readonly port: number;
}

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
    // Omit the zone, which is meaningful only on this host.
    const [from, to] = [source, destination].map(({ ip }) => formatIp({ family: ip.family, bytes: ip.bytes }));
    return bytes.write(`PROXY TCP${family} ${from} ${to} ${source.port} ${destination.port}\r\n`, "latin1");
  }
  bytes.set(V2_SIGNATURE);
  let at = V2_SIGNATURE.length;
  at = bytes.writeUInt8(V2_COMMAND.proxy, at);
  at = bytes.writeUInt8(family === 4 ? V2_FAMILY.tcp4 : V2_FAMILY.tcp6, at);
  at = bytes.writeUInt16BE(2 * source.ip.bytes.length + 4, at);
  bytes.set(source.ip.bytes, at);
  bytes.set(destination.ip.bytes, at + source.ip.bytes.length);
  at += 2 * source.ip.bytes.length;
  at = bytes.writeUInt16BE(source.port, at);
  return bytes.writeUInt16BE(destination.port, at);
}
