// Summarizes the sockets of every network namespace on this host, such as those of containers and pods. BPF reads the
// connections of all namespaces at once, because sock_diag goes through the whole host's table for each.
import { hostname } from "node:os";
import { readCgroupName } from "../../linux/proc/cgroup-name.js";
import { readCommand } from "../../linux/proc/descriptors.js";
import { findNetNamespaces, type NetNamespace } from "../../linux/proc/net-namespaces.js";
import { readSysctlNumbers } from "../../linux/proc/sysctl.js";
import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import { EACCES, EINVAL, ENOENT, EPERM, errnoName } from "../../linux/syscalls/errno.js";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import { readHostnameOf, withinNetNamespace } from "../../linux/syscalls/net-namespace.js";
import type { NamespaceRow, Namespaces } from "../../results/sockets/namespaces.js";
import type { SourceName } from "../../results/sockets/owners.js";
import { AppError } from "../../util/errors.js";
import { Aggregate } from "../aggregate/aggregate.js";
import { type SocketFilter, toQuery } from "../filter.js";
import { KnownListeners } from "../listeners/listeners.js";
import { PressureSummary } from "../ports/pressure.js";
import { ALL_STATES, type SocketQuery } from "../query.js";
import { toTest } from "../socket-test.js";
import { readHash } from "../sources/hash.js";
import { readTable, type SocketVisit } from "../table.js";

/** Minimum number of namespaces sharing the host's table for which a single pass over all of them pays off. */
const WORTH_NAMESPACES = 2;
/** Errnos of a file that has disappeared, and of a namespace of another kind. */
const NOT_FOUND = [-ENOENT, -EINVAL];
const FORBIDDEN = [EPERM, EACCES].map(errnoName);
const LISTEN_ONLY = 1 << TCP_LISTEN;
const CONNECTIONS = ALL_STATES & ~LISTEN_ONLY;

/**
 * Reads the sockets of all network namespaces. This function moves the thread into each namespace in turn, so nothing
 * else may run in the process meanwhile.
 *
 * @throws {AppError} E_PERMISSION if no other namespace may be entered
 */
export async function readNamespaces(filter: SocketFilter): Promise<Namespaces> {
  const takenAt = new Date();
  const startMs = performance.now();
  const { namespaces, unreadable } = findNetNamespaces();
  const rows: NamespaceRow[] = [];
  const tables: NamespaceTable[] = [];
  for (const namespace of namespaces) {
    const table = await within(namespace, () => NamespaceTable.open(namespace, filter));
    if (typeof table !== "number") tables.push(table);
    else if (!NOT_FOUND.includes(table)) rows.push({ ...(await describe(namespace)), refusedErrno: errnoName(-table) });
  }
  const errno = rows.map(({ refusedErrno }) => refusedErrno!).find((name) => FORBIDDEN.includes(name));
  if (tables.length < 2 && errno !== undefined) throw forbidden(errno);
  const strays = await readShared(tables, filter);
  for (const table of tables) {
    if (table.source === undefined) await within(table.namespace, () => table.readConnections());
    const figures = await within(table.namespace, async () => table.figures());
    if (typeof figures !== "number") rows.push({ ...(await describe(table.namespace)), ...figures });
  }
  for (const [inode, sockets] of strays) rows.push({ inode, isOwn: false, names: [], source: "bpf", sockets });
  return {
    kind: "namespaces",
    version: 1,
    takenAt: takenAt.toISOString(),
    elapsedMs: performance.now() - startMs,
    namespaces: rows.sort((a, b) => (b.sockets ?? -1) - (a.sockets ?? -1) || a.inode - b.inode),
    unreadable,
  };
}

function within<Result>({ file, isOwn }: NetNamespace, use: () => Promise<Result>): Promise<Result | number> {
  return isOwn ? use() : withinNetNamespace(file, use);
}

/**
 * Reads the connections of all namespaces that share the host's table, if BPF is available.
 *
 * @returns numbers of sockets in namespaces that have neither a process nor a name, by inode
 */
async function readShared(tables: readonly NamespaceTable[], filter: SocketFilter): Promise<Map<number, number>> {
  const shared = tables.filter(({ sharesTable }) => sharesTable);
  const strays = new Map<number, number>();
  if (shared.length < WORTH_NAMESPACES) return strays;
  const known = new Set(tables.map(({ namespace }) => namespace.inode));
  const visits = new Map(shared.map((table) => [table.namespace.inode, table.begin()]));
  const isWanted = toTest({ ...toQuery(filter), wildcardListeners: false }, interfaceIndex);
  const visit: SocketVisit = (socket) => {
    const visitOwn = visits.get(socket.inode);
    if (visitOwn) visitOwn(socket);
    else if (!known.has(socket.inode) && isWanted(socket))
      strays.set(socket.inode, (strays.get(socket.inode) ?? 0) + 1);
  };
  const read = await within(shared[0]!.namespace, () => readHash(coverOf(filter), visit, true));
  if (typeof read === "number" || read.wasInterrupted) return new Map();
  for (const table of shared) table.source = "bpf";
  return strays;
}

/** Matches the connections that either summary needs: the pressure includes all states and IPv4-mapped sockets. */
function coverOf(filter: SocketFilter): SocketQuery {
  return { ...toQuery(filter), states: CONNECTIONS, family: undefined, tuplesOnly: true };
}

type Figures = Omit<NamespaceRow, "inode" | "isOwn" | "names" | "hostname" | "group" | "process">;

/** The sockets of a namespace. */
class NamespaceTable {
  readonly namespace: NetNamespace;
  /**
   * Whether the namespace's connections are in the host's table, rather than in a table of its own
   * (tcp_child_ehash_entries).
   */
  readonly sharesTable: boolean;
  /** Where connections were read from; undefined if they were not read. */
  source: SourceName | undefined;
  private readonly filter: SocketFilter;
  private readonly known: KnownListeners;
  private readonly listening: number;
  private readonly pressure: PressureSummary;
  private aggregate: Aggregate;

  /** Reads the listeners. Call this in the namespace. */
  static async open(namespace: NetNamespace, filter: SocketFilter): Promise<NamespaceTable> {
    const query = toQuery(filter);
    const states = (query.states ?? ALL_STATES) & LISTEN_ONLY;
    const listening = states === 0 ? 0 : (await readTable({ ...query, states }, () => () => true)).sockets;
    return new NamespaceTable(namespace, filter, await KnownListeners.read(undefined), listening);
  }

  private constructor(namespace: NetNamespace, filter: SocketFilter, known: KnownListeners, listening: number) {
    this.namespace = namespace;
    this.filter = filter;
    this.known = known;
    this.listening = listening;
    // Negative if the table is shared (ip-sysctl.rst); missing before Linux 6.1.
    this.sharesTable = (readSysctlNumbers("net.ipv4.tcp_ehash_entries")?.[0] ?? 0) < 0;
    this.pressure = new PressureSummary({ ...filter, top: 1 }, known);
    this.aggregate = new Aggregate(known.addresses, known.listening);
  }

  begin(): SocketVisit {
    const { addresses, listening } = this.known;
    const aggregate = new Aggregate(addresses, listening);
    this.aggregate = aggregate;
    const isWanted = toTest(toQuery(this.filter), interfaceIndex);
    const countPorts = this.pressure.begin();
    const takesPorts = toTest(this.pressure.query, interfaceIndex);
    return (socket) => {
      if (isWanted(socket)) aggregate.add(socket);
      if (takesPorts(socket)) countPorts(socket);
    };
  }

  /** Call this in the namespace. */
  async readConnections(): Promise<void> {
    const { source } = await readTable(coverOf(this.filter), () => this.begin());
    this.source = source;
  }

  /** Call this in the namespace, which has its own interface names. */
  figures(): Figures {
    const { byState, incoming, outgoing } = this.aggregate.summary(0);
    return {
      source: this.source,
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

async function describe({ inode, isOwn, names, pid }: NetNamespace): Promise<Omit<NamespaceRow, keyof Figures>> {
  const row = { inode, isOwn, names };
  if (isOwn || pid === undefined) return row;
  const name = await readHostnameOf(pid);
  const command = readCommand(pid);
  return {
    ...row,
    hostname: name === hostname() ? undefined : name,
    group: readCgroupName(pid),
    process: command === undefined ? undefined : { pid, command },
  };
}

function forbidden(errno: string): AppError {
  return new AppError("E_PERMISSION", "--all-netns: entering other network namespaces needs CAP_SYS_ADMIN", {
    fix: "run it as root, or leave out --all-netns to see this network namespace",
    facts: { errno },
  });
}
