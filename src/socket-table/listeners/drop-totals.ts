// Adds up the drops of accept queues by endpoint. The kernel counts them by socket and forgets those of a socket that
// closes, but a counter must not decrease while another socket with SO_REUSEPORT keeps the endpoint open.

/** Maximum number of closed sockets kept apart for each endpoint. */
const MOST_CLOSED = 16;

interface Total {
  /** Drops of sockets that closed long ago. */
  closed: number;
  /** Drops by socket, those seen longest ago first. A socket that one reading has missed must not count twice. */
  readonly bySocket: Map<number, number>;
}

export class DropTotals {
  #totals = new Map<string, Total>();

  /**
   * Takes a reading of all endpoints. Endpoints that are no longer open are forgotten.
   *
   * @param reading drops by the socket's inode, by endpoint
   * @returns totals by endpoint, which never decrease while the endpoint is open
   */
  update(reading: ReadonlyMap<string, ReadonlyMap<number, number>>): Map<string, number> {
    const totals = new Map<string, Total>();
    const sums = new Map<string, number>();
    for (const [endpoint, sockets] of reading) {
      const total = this.#totals.get(endpoint) ?? { closed: 0, bySocket: new Map() };
      add(total, sockets);
      totals.set(endpoint, total);
      sums.set(
        endpoint,
        [...total.bySocket.values()].reduce((sum, drops) => sum + drops, total.closed),
      );
    }
    this.#totals = totals;
    return sums;
  }
}

function add(total: Total, sockets: ReadonlyMap<number, number>): void {
  const { bySocket } = total;
  for (const [inode, drops] of sockets) {
    const before = bySocket.get(inode) ?? 0;
    // The kernel has given the inode to a new socket.
    if (drops < before) total.closed += before;
    bySocket.delete(inode);
    bySocket.set(inode, drops);
  }
  for (const [inode, drops] of bySocket) {
    if (bySocket.size <= sockets.size + MOST_CLOSED) break;
    bySocket.delete(inode);
    total.closed += drops;
  }
}
