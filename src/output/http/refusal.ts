// Decides which requests a server on loopback answers. Any web site open in a browser on this host can send it requests.
import type { IncomingHttpHeaders } from "node:http";
import { isIp } from "../../util/address.js";

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

function isAddressOrLocalhost(host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host) ?? [];
  const name = bracketed ?? plain ?? "";
  return name.toLowerCase() === "localhost" || isIp(name);
}
