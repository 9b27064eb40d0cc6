// What a listening socket's row says of its accept queue. Pure: a saved result is read with it anywhere.
import type { ListenerRow } from "../../results/sockets/socket-table.js";

/** The kernel drops further SYNs to it. */
export function isQueueFull({ acceptQueue: { used, limit } }: Pick<ListenerRow, "acceptQueue">): boolean {
  return limit !== undefined && used > 0 && used >= limit;
}
