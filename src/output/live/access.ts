// Decides which requests to the live page are answered. The page listens on loopback, where any web site open in a
// browser on this host can send it requests, and so can other users of this host.
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isIp } from "../../util/address.js";

/** Header that carries the token. A page of another site cannot send it without permission (CORS). */
export const TOKEN_HEADER = "x-fourtuple-token";

/**
 * Returns why a request is refused; undefined if it is accepted.
 *
 * - The Host header must be an address or `localhost`. Anyone can point a name of theirs at this host (DNS rebinding).
 * - The request must come from the page itself, or be a top-level navigation to the page.
 */
export function refusalOf(headers: IncomingHttpHeaders): string | undefined {
  const { host, origin } = headers;
  if (host === undefined || !isAddressOrLocalhost(host)) {
    return "use an address such as 127.0.0.1 instead of a name";
  }
  if (origin !== undefined && origin !== `http://${host}`) return "requests from other sites are refused";
  const site = headers["sec-fetch-site"];
  const isVisit = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  if (site !== undefined && site !== "same-origin" && site !== "none" && !isVisit) {
    return "requests from other sites are refused";
  }
  return undefined;
}

/** Returns whether a request carries the token. */
export function hasToken(headers: IncomingHttpHeaders, token: string): boolean {
  const given = headers[TOKEN_HEADER];
  // Compare hashes, because timingSafeEqual() requires equal lengths.
  return typeof given === "string" && timingSafeEqual(digest(given), digest(token));
}

function isAddressOrLocalhost(host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host) ?? [];
  const name = bracketed ?? plain ?? "";
  return name.toLowerCase() === "localhost" || isIp(name);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
