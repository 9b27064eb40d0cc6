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

import { readTcpExtensions } from "../linux/proc/procfs.js";
import { Aggregate } from "./aggregate/aggregate.js";
import { type SocketFilter, toQuery } from "./filter.js";
import { KnownListeners } from "./listeners/listeners.js";
import type { GroupVisitor } from "./sources/groups.js";
import { readTogether, type SummaryPart } from "./sources/together.js";
import type { SocketQuery, SocketVisit, TableRead } from "./table.js";

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
  const start = startReading();
  const known = await KnownListeners.read(options.source);
  const part = new TableSummary(options, known);
  return part.result(start, await readTogether(part.query, [part], known));
}

/** Time at which a pass over the table began. */
export interface ReadingStart {
  readonly takenAt: Date;
  readonly startMs: number;
}

export function startReading(): ReadingStart {
  return { takenAt: new Date(), startMs: performance.now() };
}

/** Returns the fields common to all summaries. */
export function describeReading({ takenAt, startMs }: ReadingStart, read: TableRead) {
  return {
    takenAt: takenAt.toISOString(),
    elapsedMs: performance.now() - startMs,
    source: read.source,
    fallbackErrno: read.fallbackErrno,
    bpfErrno: read.bpfErrno,
    wasInterrupted: read.wasInterrupted,
  };
}

export interface TableOptions extends SummaryOptions {
  /** Number of endpoints that accepted connections, and of destinations; default `top`. */
  readonly endpointTop?: number | undefined;
  /** Whether to leave `byLocalPort` empty, which may take a reading of each socket. */
  readonly withoutPorts?: boolean | undefined;
}

/** Computes a summary as part of a pass over the table. */
export class TableSummary implements SummaryPart {
  readonly query: SocketQuery;
  private readonly top: number;
  private readonly endpointTop: number;
  private readonly known: KnownListeners;
  private readonly withoutPorts: boolean;
  /** Set by begin(). */
  private aggregate: Aggregate | undefined;

  constructor(options: TableOptions, known: KnownListeners) {
    this.query = { ...toQuery(options), tuplesOnly: true };
    this.top = options.top ?? TOP;
    this.endpointTop = options.endpointTop ?? this.top;
    this.withoutPorts = options.withoutPorts ?? false;
    this.known = known;
  }

  begin(): SocketVisit {
    const aggregate = new Aggregate(this.known.addresses, this.known.listening);
    this.aggregate = aggregate;
    return this.query.memory ? (socket) => aggregate.addWithMemory(socket) : (socket) => aggregate.add(socket);
  }

  get groups(): GroupVisitor {
    return {
      addGroup: (socket, sockets) => this.aggregate!.addGroup(socket, sockets),
      addPorts: this.withoutPorts ? undefined : (established, others) => this.aggregate!.addPorts(established, others),
    };
  }

  /** @param counters see readTcpExtensions() */
  result(start: ReadingStart, read: TableRead, counters = readTcpExtensions()): SocketTable {
    const { query, top, endpointTop, withoutPorts } = this;
    const aggregate = this.aggregate!;
    return {
      kind: "sockets",
      version: 1,
      ...describeReading(start, read),
      sockets: aggregate.sockets,
      ...aggregate.summary(top, endpointTop, !withoutPorts),
      listeners: this.known.rows(query, aggregate.acceptedRows()),
      counters: {
        listenOverflows: counters["TcpExt.ListenOverflows"],
        listenDrops: counters["TcpExt.ListenDrops"],
      },
      memory: query.memory && read.source !== "/proc/net/tcp" ? aggregate.memory() : undefined,
    };
  }
}
