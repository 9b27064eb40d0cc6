// Reads the settings of the fourtuple contenders from their environment: ENGINE, by default the library's; SCHEME of the
// address, by default plain TCP; SERVER_IP, by default loopback; and TRANSPORT of the client, by default kernel sockets.
export const engine = /** @type {"auto" | "epoll" | "uring"} */ (process.env.ENGINE ?? "auto");
export const scheme = process.env.SCHEME ? `${process.env.SCHEME}://` : "";
export const serverIp = process.env.SERVER_IP ?? "127.0.0.1";

const LOOPBACK_ONLY = process.env.SERVER_IP === undefined;
/**
 * Source addresses by transport: 10.128.0.0/9, which two-namespaces.mjs routes to the client's namespace, and 11.0.0.0/9
 * for a client in the server's namespace.
 *
 * @type {Record<string, number[]>}
 */
const FIRST_SOURCES = { packet: [10, 128, 0, 0], "packet-direct": [11, 0, 0, 0] };
const SOURCE_COUNT = 2 ** 23;

/**
 * Returns the settings of a client that depend on where it runs.
 *
 * @param {import("fourtuple").ConnectOptions["sources"]} loopbackSources addresses to use over loopback
 */
export function placeOptions(loopbackSources) {
  if (LOOPBACK_ONLY) return loopbackSources ? { sources: loopbackSources } : {};
  // The server has an address of another network namespace.
  const place = { authorized: true };
  const first = FIRST_SOURCES[process.env.TRANSPORT ?? ""];
  if (!first) return place;
  const sources = [{ first: { family: /** @type {const} */ (4), bytes: Uint8Array.from(first) }, count: SOURCE_COUNT }];
  return { ...place, transport: /** @type {const} */ ("packet"), sources };
}
