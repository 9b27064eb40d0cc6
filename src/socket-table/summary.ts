// Summarizes the socket table as a plain object: by state, local port, peer and destination, and listeners with their
// accept queues. aggregate/aggregate.ts does the grouping.
import type { SocketTable } from "../results/sockets/socket-table.js";

export type {
  AcceptedRow,
  AddressRow,
  DestinationRow,
  ListenerRow,
  MemorySummary,
  PortRow,
  Ranking,
  SocketTable,
} from "../results/sockets/socket-table.js";

import { readNetCounters } from "../linux/proc/procfs.js";
import { AddressIndex } from "./addresses.js";
import { Aggregate } from "./aggregate/aggregate.js";
import { type SocketFilter, toQuery } from "./filter.js";
import { ListenerSet, readListeners } from "./listeners/listeners.js";
import { readTable } from "./table.js";

export { parseEnd, type SocketFilter, toQuery } from "./filter.js";

const TOP = 10;

export interface SummaryOptions extends SocketFilter {
  /** Number of rows in each ranking; default 10. */
  readonly top?: number | undefined;
}

/**
 * Summarizes the TCP sockets in this network namespace.
 *
 * @throws {AppError} E_ADDRESS for an invalid address or port; E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function socketTable(options: SummaryOptions = {}): Promise<SocketTable> {
  const takenAt = new Date();
  const startMs = performance.now();
  const query = toQuery(options);
  const addresses = new AddressIndex();
  const listening = await ListenerSet.read(addresses, query.source);
  let aggregate = new Aggregate(addresses, listening);
  const read = await readTable(query, () => {
    aggregate = new Aggregate(addresses, listening);
    return query.memory ? (socket) => aggregate.addWithMemory(socket) : (socket) => aggregate.add(socket);
  });
  const listeners = await readListeners({ ...query, source: read.source }, aggregate.acceptedRows());
  const counters = readNetCounters();
  return {
    kind: "sockets",
    version: 1,
    takenAt: takenAt.toISOString(),
    elapsedMs: performance.now() - startMs,
    source: read.source,
    fallbackErrno: read.fallbackErrno,
    wasInterrupted: read.wasInterrupted,
    sockets: read.sockets,
    ...aggregate.summary(options.top ?? TOP),
    listeners,
    counters: {
      listenOverflows: counters["TcpExt.ListenOverflows"],
      listenDrops: counters["TcpExt.ListenDrops"],
    },
    memory: query.memory && read.source === "sock_diag" ? aggregate.memory() : undefined,
  };
}
