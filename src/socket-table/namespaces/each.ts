// Reads the sockets of every network namespace on this host. BPF reads the connections of all namespaces at once,
// because sock_diag goes through the whole host's table for each.
import { findNetNamespaces, type NetNamespace } from "../../linux/proc/net-namespaces.js";
import { readSysctlNumbers } from "../../linux/proc/sysctl.js";
import { EACCES, EINVAL, ENOENT, EPERM, ESTALE, errnoName } from "../../linux/syscalls/errno.js";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import { withinNetNamespace } from "../../linux/syscalls/net-namespace.js";
import { AppError } from "../../util/errors.js";
import { toTest } from "../socket-test.js";
import { readHash } from "../sources/hash.js";
import { readTable, type SocketQuery, type SocketVisit, type TableRead } from "../table.js";

/** Minimum number of namespaces sharing the host's table for which a single pass over all of them pays off. */
const WORTH_NAMESPACES = 2;
/** Errnos of a file that has disappeared, or belongs to another namespace now. */
const GONE = [-ENOENT, -ESTALE];
/** Errnos of a namespace that no longer exists, and of one of another kind. */
const NOT_FOUND = [...GONE, -EINVAL];
const FORBIDDEN = [EPERM, EACCES].map(errnoName);
const BY_BPF: TableRead = { source: "bpf", fallbackErrno: undefined, sockets: 0, wasInterrupted: false };

/** Counts the connections of one namespace. */
export interface NamespaceReader<Figures> {
  /** Returns the visitor for a new attempt, and discards the previous attempt; see readTable(). */
  begin(): SocketVisit;
  /** Returns the figures after the last attempt. It is called in the namespace. */
  figures(read: TableRead): Promise<Figures>;
}

export interface EachNamespace<Figures> {
  /** This process's own namespace first. */
  readonly read: readonly { readonly namespace: NetNamespace; readonly figures: Figures }[];
  /** Namespaces that cannot be entered, and the name of the errno. */
  readonly refused: readonly { readonly namespace: NetNamespace; readonly errno: string }[];
  /** Numbers of sockets in namespaces that have neither a process nor a name, by inode; known with BPF only. */
  readonly strays: ReadonlyMap<number, number>;
  /** Number of processes whose namespace cannot be read. */
  readonly unreadable: number;
  /** Whether other users' processes are hidden. */
  readonly isHiding: boolean;
}

/**
 * Reads all namespaces. This function moves the thread into each namespace in turn, so nothing else that depends on the
 * namespace may run in the process meanwhile.
 *
 * @param cover matches the connections that the readers need
 * @param wanted matches the connections to count in namespaces that have neither a process nor a name
 * @param open returns a reader; it is called in the namespace
 * @throws {AppError} E_PERMISSION if no other namespace may be entered
 */
export async function readEachNamespace<Figures>(
  cover: SocketQuery,
  wanted: SocketQuery,
  open: (namespace: NetNamespace) => Promise<NamespaceReader<Figures>>,
): Promise<EachNamespace<Figures>> {
  const { namespaces, unreadable, isHiding } = findNetNamespaces();
  const tables: Table<Figures>[] = [];
  const refused: { namespace: NetNamespace; errno: string }[] = [];
  for (const namespace of namespaces) {
    const place = { namespace };
    const table = await within(place, async () => new Table(place, await open(namespace)));
    if (typeof table !== "number") tables.push(table);
    else if (!NOT_FOUND.includes(table)) refused.push({ namespace, errno: errnoName(-table) });
  }
  const forbidding = refused.find(({ errno }) => FORBIDDEN.includes(errno));
  if (tables.length < 2 && (forbidding || isHiding)) throw forbidden(forbidding?.errno ?? errnoName(EACCES));
  const strays = await readShared(tables, cover, wanted);
  const read: { namespace: NetNamespace; figures: Figures }[] = [];
  for (const { place, reader, isRead } of tables) {
    const figures = await within(place, async () =>
      reader.figures(isRead ? BY_BPF : await readTable(cover, () => reader.begin())),
    );
    if (typeof figures !== "number") read.push({ namespace: place.namespace, figures: figures as Figures });
  }
  return { read, refused, strays, unreadable, isHiding };
}

/**
 * Checks that other namespaces can be entered, if there are any.
 *
 * @throws {AppError} E_PERMISSION if none of them can be
 */
export async function checkEntry(): Promise<void> {
  const { namespaces, unreadable, isHiding } = findNetNamespaces();
  const others = namespaces.filter(({ isOwn }) => !isOwn);
  if (others.length === 0 && (unreadable > 0 || isHiding)) throw forbidden(errnoName(EACCES));
  let errno: string | undefined;
  for (const { file } of others) {
    const refusal = await withinNetNamespace(file, async () => 0);
    if (refusal === 0) return;
    errno ??= FORBIDDEN.find((name) => name === errnoName(-refusal));
  }
  if (errno !== undefined) throw forbidden(errno);
}

interface Place {
  namespace: NetNamespace;
}

/** A namespace that can be entered. Create this object in the namespace. */
class Table<Figures> {
  readonly place: Place;
  readonly reader: NamespaceReader<Figures>;
  /**
   * Number of buckets of the table with the namespace's connections: negative if it is the host's table (ip-sysctl.rst,
   * tcp_ehash_entries), which is the initial namespace's own; 0 before Linux 6.1.
   */
  readonly buckets = readSysctlNumbers("net.ipv4.tcp_ehash_entries")?.[0] ?? 0;
  isRead = false;

  constructor(place: Place, reader: NamespaceReader<Figures>) {
    this.place = place;
    this.reader = reader;
  }
}

/**
 * Calls `use` in a namespace. If the process by which the namespace was found has left it, `place` gets another one of
 * its processes.
 */
async function within<Result>(place: Place, use: () => Promise<Result>): Promise<Result | number> {
  const { namespace } = place;
  if (namespace.isOwn) return use();
  let isEntered = false;
  const enter = () =>
    withinNetNamespace(
      place.namespace.file,
      () => {
        isEntered = true;
        return use();
      },
      namespace.inode,
    );
  const result = await enter();
  if (isEntered || !GONE.some((errno) => errno === result)) return result;
  const again = findNetNamespaces().namespaces.find(({ inode }) => inode === namespace.inode);
  if (!again) return result;
  place.namespace = again;
  return enter();
}

/**
 * Reads the connections of all namespaces that share the host's table, if BPF is available.
 *
 * @returns numbers of sockets in namespaces that have neither a process nor a name, by inode
 */
async function readShared<Figures>(
  tables: readonly Table<Figures>[],
  cover: SocketQuery,
  wanted: SocketQuery,
): Promise<Map<number, number>> {
  const strays = new Map<number, number>();
  const sharing = tables.find(({ buckets }) => buckets < 0);
  // A table of the same size is the host's, unless none of its sockets turn up below.
  const candidates = tables.filter(({ buckets }) => sharing && Math.abs(buckets) === -sharing.buckets);
  if (!sharing || candidates.length < WORTH_NAMESPACES) return strays;
  const known = new Set(tables.map(({ place }) => place.namespace.inode));
  const visits = new Map(
    candidates.map(({ place, reader }) => [place.namespace.inode, { each: reader.begin(), isSeen: false }]),
  );
  const isWanted = toTest(wanted, interfaceIndex);
  const visit: SocketVisit = (socket) => {
    const own = visits.get(socket.inode);
    if (own) {
      own.isSeen = true;
      own.each(socket);
    } else if (!known.has(socket.inode) && isWanted(socket))
      strays.set(socket.inode, (strays.get(socket.inode) ?? 0) + 1);
  };
  const read = await within(sharing.place, () => readHash(cover, visit, { everyNamespace: true }));
  if (typeof read === "number" || read.wasInterrupted) return new Map();
  for (const table of candidates)
    table.isRead = table.buckets < 0 || (visits.get(table.place.namespace.inode)?.isSeen ?? false);
  return strays;
}

function forbidden(errno: string): AppError {
  return new AppError("E_PERMISSION", "--all-netns: entering other network namespaces needs CAP_SYS_ADMIN", {
    fix: "run it as root, or leave out --all-netns to see this network namespace",
    facts: { errno },
  });
}
