// Counts a host's sockets at an address.
import type { SocketTable, TcpState } from "../../results/sockets/socket-table.js";
import type { Host } from "../testbed/host.js";
import { jsonOf } from "./client-load.js";

/**
 * Counts the TCP sockets of a host by state.
 * @param at local or remote end of the sockets, in the format of `fourtuple ports`: `:7777` or `10.0.0.1:7777`
 */
export async function socketsAt(host: Host, at: string): Promise<Readonly<Partial<Record<TcpState, number>>>> {
  const { byState } = await jsonOf<SocketTable>(host.run(["ports", at, "--json"]), `ports ${at}`);
  return byState;
}
