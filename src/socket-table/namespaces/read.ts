// Summarizes the sockets of every network namespace on this host, such as those of containers and pods.
import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import type { NamespaceRow, Namespaces } from "../../results/sockets/namespaces.js";
import { Aggregate } from "../aggregate/aggregate.js";
import { type SocketFilter, toQuery } from "../filter.js";
import { KnownListeners } from "../listeners/listeners.js";
import { PressureSummary } from "../ports/pressure.js";
import { ALL_STATES, type SocketQuery } from "../query.js";
import { toTest } from "../socket-test.js";
import { startReading } from "../summary.js";
import { readTable, type SocketVisit, type TableRead } from "../table.js";
import { describeNamespace, type NamespaceIdentity } from "./describe.js";
import { type NamespaceReader, readEachNamespace } from "./each.js";

const LISTEN_ONLY = 1 << TCP_LISTEN;
const CONNECTIONS = ALL_STATES & ~LISTEN_ONLY;

/**
 * Reads the sockets of all network namespaces. This function moves the thread into each namespace in turn, so nothing
 * else may run in the process meanwhile.
 *
 * @throws {AppError} E_PERMISSION if no other namespace may be entered
 */
export async function readNamespaces(filter: SocketFilter): Promise<Namespaces> {
  const { takenAt, startMs } = startReading();
  const query = toQuery(filter);
  // The pressure includes all states and IPv4-mapped sockets.
  const cover: SocketQuery = { ...query, states: CONNECTIONS, family: undefined, tuplesOnly: true };
  const each = await readEachNamespace(cover, { ...query, wildcardListeners: false }, () =>
    SummaryReader.open(filter, query),
  );
  const rows: NamespaceRow[] = [...each.strays].map(([inode, sockets]) => ({
    ...{ inode, isOwn: false, names: [] },
    ...{ source: "bpf", sockets },
  }));
  for (const { namespace, figures } of each.read) rows.push({ ...(await describeNamespace(namespace)), ...figures });
  for (const { namespace, errno } of each.refused)
    rows.push({ ...(await describeNamespace(namespace)), refusedErrno: errno });
  return {
    kind: "namespaces",
    version: 1,
    takenAt: takenAt.toISOString(),
    elapsedMs: performance.now() - startMs,
    namespaces: rows.sort((a, b) => (b.sockets ?? -1) - (a.sockets ?? -1) || a.inode - b.inode),
    unreadable: each.unreadable,
    isHiding: each.isHiding,
  };
}

type Figures = Omit<NamespaceRow, keyof NamespaceIdentity>;

class SummaryReader implements NamespaceReader<Figures> {
  private readonly query: SocketQuery;
  private readonly known: KnownListeners;
  private readonly listening: number;
  private readonly pressure: PressureSummary;
  private aggregate: Aggregate;

  /** Reads the listeners. */
  static async open(filter: SocketFilter, query: SocketQuery): Promise<SummaryReader> {
    const states = (query.states ?? ALL_STATES) & LISTEN_ONLY;
    const listening = states === 0 ? 0 : (await readTable({ ...query, states }, () => () => true)).sockets;
    return new SummaryReader(filter, query, await KnownListeners.read(undefined), listening);
  }

  private constructor(filter: SocketFilter, query: SocketQuery, known: KnownListeners, listening: number) {
    this.query = query;
    this.known = known;
    this.listening = listening;
    this.pressure = new PressureSummary({ ...filter, top: 1 }, known);
    this.aggregate = new Aggregate(known.addresses, known.listening);
  }

  begin(): SocketVisit {
    const { addresses, listening } = this.known;
    const aggregate = new Aggregate(addresses, listening);
    this.aggregate = aggregate;
    const isWanted = toTest(this.query, interfaceIndex);
    const countPorts = this.pressure.begin();
    const takesPorts = toTest(this.pressure.query, interfaceIndex);
    return (socket) => {
      if (isWanted(socket)) aggregate.add(socket);
      if (takesPorts(socket)) countPorts(socket);
    };
  }

  async figures({ source }: TableRead): Promise<Figures> {
    const { byState, incoming, outgoing } = this.aggregate.summary(0);
    return {
      source,
      sockets: this.aggregate.sockets + this.listening,
      established: byState.ESTABLISHED ?? 0,
      timeWait: byState.TIME_WAIT ?? 0,
      listening: this.listening,
      accepted: incoming,
      opened: outgoing,
      fullest: this.pressure.fullest(),
    };
  }
}
