// Parses addresses with a scheme, such as wss://example.org/chat?room=1, into protocol and destination. Without a
// scheme, the protocol is plain TCP.
import type { Scheme } from "../../results/identifiers.js";
import { formatHostPorts, type HostPorts, parseHostPorts } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { quoted, shortened } from "../../util/printable.js";
import { mistypedUrl, unknownScheme } from "./address-error.js";

/** Protocol of each scheme, whether it uses TLS, and its default port. */
export const SCHEMES = {
  tcp: { protocol: "tcp", isSecure: false, port: undefined },
  tls: { protocol: "tcp", isSecure: true, port: undefined },
  ws: { protocol: "ws", isSecure: false, port: 80 },
  wss: { protocol: "ws", isSecure: true, port: 443 },
  http: { protocol: "http", isSecure: false, port: 80 },
  https: { protocol: "http", isSecure: true, port: 443 },
  mqtt: { protocol: "mqtt", isSecure: false, port: 1883 },
  mqtts: { protocol: "mqtt", isSecure: true, port: 8883 },
} as const satisfies Record<Scheme, object>;

export type { Scheme } from "../../results/identifiers.js";

/** A block of addresses, on which a server without kernel sockets may listen: 10.65.0.0/29:7777. */
const BLOCK = /^[\d.]+\/\d+:/;

export interface Address extends HostPorts {
  readonly scheme: Scheme;
  /** Path and query, starting with a slash; undefined if absent. */
  readonly path: string | undefined;
}

/**
 * Parses a host and ports as parseHostPorts() does, optionally preceded by a scheme and, if the scheme's protocol has
 * paths, followed by a path.
 *
 * @param options.anyPort allows port 0, which lets the kernel choose a server's port
 * @throws {AppError} E_ADDRESS when the address is invalid or its scheme is not supported
 */
export function parseAddress(text: string, options: { anyPort?: boolean } = {}): Address {
  const mistyped =
    options.anyPort && BLOCK.test(text) ? undefined : mistypedUrl(text, (meant) => parseAddress(meant, options));
  if (mistyped) throw mistyped;
  const [, name, rest = text] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  const scheme = name === undefined ? "tcp" : findScheme(name, text);
  const { port, protocol } = SCHEMES[scheme];
  const [, authority = "", path] = name === undefined ? ["", text] : (/^([^/?#]*)(.*)$/s.exec(rest) ?? []);
  if (path && protocol !== "ws" && protocol !== "http") {
    throw new AppError("E_ADDRESS", `${quoted(text)} has a path, but ${scheme}:// does not use paths`, {
      fix: `write it as ${scheme}://${authority}`,
    });
  }
  if (path !== undefined && /[#\s]|[^!-~]/.test(path)) {
    throw new AppError("E_ADDRESS", `the path in ${quoted(text)} contains invalid characters`, {
      fix: "remove the fragment (#…) and percent-encode other characters, such as %20",
    });
  }
  if (authority.includes("@")) {
    throw new AppError("E_ADDRESS", `${quoted(text)} contains a user name`, {
      fix:
        protocol === "mqtt"
          ? "use --username and --password"
          : "send credentials in a header, such as -H 'Authorization: Basic …'",
    });
  }
  if (name !== undefined && authority === "") {
    throw new AppError("E_ADDRESS", `${quoted(text)} names no host`, {
      fix: `write it as ${shortened(`${scheme}://example.org${port === undefined ? ":7777" : ""}${path}`)}`,
    });
  }
  const hasDefault = port !== undefined && isWithoutPort(authority);
  const endpoint = hasDefault ? `${authority.replace(/:$/, "")}:${port}` : authority;
  // A port that is not in the text is the default one, or stands for any port.
  const numbers: readonly string[] = authority.match(/\d+/g) ?? [];
  const withoutDefault = (meant: string) =>
    meant.replace(/:(\d+)$/, (suffix, digits) => (hasDefault && !numbers.includes(digits) ? "" : suffix));
  const write = (meant: string) => (name === undefined ? meant : `${name}://${withoutDefault(meant)}${path}`);
  const parsed = parseHostPorts(endpoint, { ...options, whole: { text, endpoint: authority, write } });
  const target = path === undefined || path === "" ? undefined : path.startsWith("/") ? path : `/${path}`;
  return { ...parsed, scheme, path: target };
}

/** Formats an address so that parseAddress() returns the same. */
export function formatAddress({ scheme, host, ports, path = "" }: Address): string {
  const endpoint = formatHostPorts({ host, ports });
  return scheme === "tcp" ? endpoint : `${scheme}://${endpoint}${path}`;
}

function isWithoutPort(authority: string): boolean {
  return authority !== "" && !/^\d+(-\d+)?$/.test(authority) && !/(^|[^:]|\]):\d+(-\d+)?$/.test(authority);
}

function findScheme(name: string, text: string): Scheme {
  const scheme = name.toLowerCase();
  if (!Object.hasOwn(SCHEMES, scheme)) throw unknownScheme(name, text);
  return scheme as Scheme;
}
