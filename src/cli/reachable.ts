// Warns if a server of this program that asks for no password can be reached from other hosts.
import { printNote } from "../output/terminal/output.js";
import { isLoopback, parseIp } from "../util/address.js";

/**
 * Prints a note unless `ip` is a loopback address.
 *
 * @param may what other hosts may do, such as `read the metrics`
 */
export function noteIfReachable(ip: string, may: string): void {
  if (!isLoopback(parseIp(ip))) printNote(`note: any host that reaches this address can ${may}`);
}
