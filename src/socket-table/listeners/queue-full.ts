// Interprets a listening socket's accept queue. The function is pure, so it also works
// on saved results.
import type { ListenerRow } from "../../results/sockets/socket-table.js";

/** Returns whether the accept queue is full, so that the kernel drops further SYNs. */
export function isQueueFull({ acceptQueue: { used, limit } }: Pick<ListenerRow, "acceptQueue">): boolean {
  return limit !== undefined && used > 0 && used >= limit;
}
