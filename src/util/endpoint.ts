// Parses and formats endpoints, ports and 4-tuples. Host names are resolved elsewhere (linux/resolve.ts).
import { isIpv6 } from "./address.js";
import { AppError } from "./errors.js";
import { quoted, shortened } from "./printable.js";
import { endpointError, hostError, type Whole } from "./suggestions/endpoint-error.js";

/** A range of ports, including both ends. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** A parsed `host:port` or `host:first-last`. The host may still be a name. */
export interface HostPorts {
  readonly host: string;
  readonly ports: PortRange;
}

/** Identifies a TCP connection (RFC 9293); unique at any given time. */
export interface FourTuple {
  readonly sourceIp: string;
  readonly sourcePort: number;
  readonly destinationIp: string;
  readonly destinationPort: number;
}

export const DEFAULT_HOST = "127.0.0.1";
/**
 * Parses `host:port`, `[::1]:7777`, `host:7777-7786`, and `:7777` or `7777`, which default to 127.0.0.1.
 *
 * @param options.anyPort allows port 0, which lets the kernel choose a server's port
 * @throws {AppError} E_ADDRESS if the text is not an endpoint
 */
export function parseHostPorts(text: string, options: { anyPort?: boolean; whole?: Whole } = {}): HostPorts {
  const { anyPort = false, whole = { text, endpoint: text, write: (endpoint: string) => endpoint } } = options;
  const bracketed = /^\[([^\]]+)\]:([^:]+)$/.exec(text);
  const plain = /^(?:([^:[\]]*):)?([^:]+)$/.exec(text);
  const host = bracketed ? bracketed[1]! : plain?.[1] || DEFAULT_HOST;
  const ports = bracketed?.[2] ?? plain?.[2];
  if (/[\s\p{Cf}]|[;,]\d+$/u.test(whole.endpoint)) throw endpointError(whole);
  if (/^[^:[\]]+:?$/.test(text) && !/^[\d-]+$/.test(text)) {
    const name = text.replace(/:$/, "");
    throw hostError(name, "7777", whole) ?? noPort(name, whole);
  }
  if (ports === undefined) throw endpointError(whole);
  // A server without kernel sockets may listen on a range of addresses.
  const [first = host] = anyPort ? host.split(/[-/]/, 1) : [host];
  if (bracketed && !isIpv6(first)) throw endpointError(whole);
  if (!/^\d+(-\d+)?$/.test(ports)) throw endpointError(whole);
  const wrongHost = bracketed ? undefined : hostError(first, ports, whole);
  if (wrongHost) throw wrongHost;
  return { host, ports: parsePorts(ports, whole.text, anyPort ? 0 : 1) };
}

function noPort(host: string, whole: Whole): AppError {
  return new AppError("E_ADDRESS", `${quoted(whole.text)} has no port`, {
    fix: `write it as ${shortened(whole.write(`${shortened(host)}:7777`))}`,
  });
}

/**
 * Parses a port or a range of ports: `7777`, `1024-65535`.
 *
 * @throws {AppError} E_ADDRESS if a port is outside `min` to 65,535 or the range is reversed
 */
export function parsePorts(text: string, whole = text, min = 1): PortRange {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text.trim());
  if (!match) {
    throw new AppError("E_ADDRESS", `${quoted(text)}${whole === text ? "" : ` in ${quoted(whole)}`} is not a port`, {
      fix: "use a port such as 7777, or a range such as 1024-65535",
    });
  }
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  for (const digits of [match[1]!, match[2] ?? match[1]!]) {
    const port = Number(digits);
    if (port < min || port > 65535) {
      // Quote the digits as given, because the number may be Infinity.
      throw new AppError("E_ADDRESS", `port ${shortened(digits, 24)} in ${quoted(whole)} is out of range`, {
        fix: `a TCP port has 16 bits: use ${min} to 65535`,
        facts: { port: Math.min(port, Number.MAX_SAFE_INTEGER) },
      });
    }
  }
  if (last < first) {
    throw new AppError("E_ADDRESS", `the port range ${quoted(text)} is reversed`, {
      fix: `write it as ${last}-${first}`,
    });
  }
  return { first, last };
}

/** Formats an endpoint: `127.0.0.1:7777`, `[::1]:7777`. */
export function formatEndpoint(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Formats as parseHostPorts() reads it, such as `host:7777-7786`. */
export function formatHostPorts({ host, ports }: HostPorts): string {
  const endpoint = formatEndpoint(host, ports.first);
  return ports.last > ports.first ? `${endpoint}-${ports.last}` : endpoint;
}

/** Formats a 4-tuple: `127.0.0.2:40001 → 127.0.0.1:7777`. */
export function formatFourTuple(tuple: FourTuple): string {
  const source = formatEndpoint(tuple.sourceIp, tuple.sourcePort);
  return `${source} → ${formatEndpoint(tuple.destinationIp, tuple.destinationPort)}`;
}
