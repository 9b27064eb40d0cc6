// Parses the endpoint argument of `fourtuple ports`.
import { DEFAULT_HOST, formatEndpoint, type PortRange, parseHostPorts } from "../../util/endpoint.js";

/** Requested endpoint; `ip` is undefined if only a port was given, which matches any address. */
export interface PortTarget {
  readonly ip: string | undefined;
  readonly ports: PortRange;
  /** Text form, such as `7777`, `127.0.0.1:7777` or `7777-7786`. */
  readonly name: string;
  /** Text form of the port or port range alone. */
  readonly port: string;
}

const ANY = ["", "*", "0.0.0.0", "::"];

/**
 * Parses `host:port`; `:7777`, `7777` and `0.0.0.0:7777` mean that port at any of this host's
 * addresses.
 *
 * @throws {AppError} E_ADDRESS, or E_RESOLVE for an unknown name
 */
export async function parseTarget(text: string): Promise<PortTarget> {
  const { host, ports } = parseHostPorts(text.replace(/^\*:/, ":"));
  const isNamed = text.includes(host) && host !== "" ? !ANY.includes(host) : host !== DEFAULT_HOST;
  const port = ports.first === ports.last ? `${ports.first}` : `${ports.first}-${ports.last}`;
  if (!isNamed) return { ip: undefined, ports, name: port, port };
  const { resolveHost } = await import("../../linux/resolve.js");
  const { formatIp } = await import("../../util/address.js");
  const ip = formatIp(await resolveHost(host));
  return { ip, ports, name: formatEndpoint(ip, 0).replace(/0$/, port), port };
}

/** Describes a target, such as `port 7777`, `ports 7777-7786` or `127.0.0.1:7777`. */
export function describeTarget({ ip, name, ports }: PortTarget): string {
  return ip === undefined ? `${ports.first === ports.last ? "port" : "ports"} ${name}` : name;
}
