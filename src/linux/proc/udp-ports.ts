// Reads the UDP ports bound by unconnected sockets: those of services, or of clients waiting for a
// reply.
import { readText } from "./procfs.js";

/** State 7 in /proc/net/udp: bound but not connected. */
const BOUND_ONLY = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 07 /gm;

/** Returns the distinct ports in this network namespace; empty if /proc/net/udp cannot be read. */
export function readUdpPorts(
  text = ["udp", "udp6"].map((name) => readText(`/proc/net/${name}`) ?? "").join(""),
): number[] {
  return [...new Set([...text.matchAll(BOUND_ONLY)].map(([, port]) => Number.parseInt(port!, 16)))];
}
