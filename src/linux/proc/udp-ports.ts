// UDP ports that a socket is bound to without a peer: a service's, or a client's for as long as it waits.
import { readText } from "./procfs.js";

/** State 7 of /proc/net/udp: bound, not connected. */
const BOUND_ONLY = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 07 /gm;

/** In this network namespace, each port once; none where /proc/net/udp may not be read. */
export function readUdpPorts(
  text = ["udp", "udp6"].map((name) => readText(`/proc/net/${name}`) ?? "").join(""),
): number[] {
  return [...new Set([...text.matchAll(BOUND_ONLY)].map(([, port]) => Number.parseInt(port!, 16)))];
}
