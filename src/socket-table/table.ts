// Reads the kernel's TCP socket table one socket at a time, in constant memory: via sock_diag with filtering in the
// kernel, by a BPF program if the table is large, or else from /proc/net/tcp and tcp6. All three provide the same view.
// Other files do the counting and grouping.
import type { SourceName } from "../results/sockets/owners.js";

export type { SourceName } from "../results/sockets/owners.js";

import { compileDiagFilter } from "../linux/netlink/diag-filter.js";
import { DiagSocket } from "../linux/netlink/diag-socket.js";
import { DATAGRAM_BYTES, DIAG_EXTENSION, DiagDump, type DiagRequest } from "../linux/netlink/sock-diag.js";
import { ProcTcpDump } from "../linux/proc/tcp.js";
import { TCP_LISTEN } from "../linux/syscalls/constants.js";
import { EACCES, EAGAIN, EPERM, errnoName } from "../linux/syscalls/errno.js";
import { interfaceIndex } from "../linux/syscalls/interface-names.js";
import { AppError } from "../util/errors.js";
import { type DumpFingerprint, readTurnover } from "./dump-fingerprint.js";
import { needsListenerTest, singlePort, toDiagFilter } from "./kernel-filter.js";
import { ALL_STATES, type SocketQuery } from "./query.js";
import { toTest } from "./socket-test.js";
import type { GroupSink } from "./sources/groups.js";
import { readHash, suitsHash } from "./sources/hash.js";
import { Pass, type SocketVisit, turns } from "./sources/pass.js";
import type { SocketView } from "./view.js";

export { type SocketQuery, stateMask } from "./query.js";
export type { SocketVisit } from "./sources/pass.js";
export type { SocketView } from "./view.js";

/** Maximum number of attempts if the kernel reports an inconsistent dump. */
const ATTEMPTS = 4;
/**
 * Reduction of the datagram size on each attempt, so that datagrams end at different sockets. Otherwise the dump might
 * fail at the same place again.
 */
const SHORTER_BYTES = 4000;
const FIX = "allow NETLINK_SOCK_DIAG sockets, or mount /proc";
const BPF_FIX = "run it as root or with CAP_BPF and CAP_PERFMON, on Linux 6.2 or newer with BTF, or omit the source";

export interface TableRead {
  readonly source: SourceName;
  /** Name of the errno if sock_diag failed; undefined if it succeeded, or if /proc was requested. */
  readonly fallbackErrno: string | undefined;
  /**
   * Name of the errno if the table is large enough for BPF, but could not be read with it: EPERM without CAP_BPF and
   * CAP_PERFMON, ENOENT if the kernel does not describe its types.
   */
  readonly bpfErrno?: string | undefined;
  /** Number of sockets visited. */
  readonly sockets: number;
  /** Whether the table changed while it was being read, so that the result may be inconsistent (NLM_F_DUMP_INTR). */
  readonly wasInterrupted: boolean;
}

/**
 * Visits every TCP socket in this network namespace, IPv4 and IPv6, that matches the query. The LISTEN sockets of each
 * family are visited first. Periodically yields to the event loop.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when neither netlink nor /proc/net/tcp can be read; E_SYSTEM when netlink
 *   fails midway
 */
export async function forEachSocket(query: SocketQuery, visit: SocketVisit): Promise<TableRead> {
  let visited = 0;
  const counted: SocketVisit = (socket) => {
    visited++;
    return visit(socket);
  };
  return readTable(
    query,
    () => {
      if (visited > 0) throw unreadable("sock_diag stopped halfway through the table", undefined);
      return counted;
    },
    1,
  );
}

/**
 * Like forEachSocket(), for callers that can start over: `begin` returns the visitor for a new attempt and discards the
 * previous one. A pass that was interrupted is repeated, and one that failed over netlink falls back to /proc. If
 * connections were opened or closed during a pass, it is repeated until two passes agree, unless the requested sockets
 * themselves keep changing.
 *
 * @param groups if the table is read with BPF, receives groups of sockets, and only those in none are visited
 */
export async function readTable(
  query: SocketQuery,
  begin: () => SocketVisit,
  attempts = ATTEMPTS,
  groups?: GroupSink,
): Promise<TableRead> {
  let fallbackErrno: string | undefined;
  let bpfErrno: string | undefined;
  if (suitsHash(query)) {
    const grouped = groups && (await readWithBpf(query, begin(), groups));
    if (typeof grouped === "object") return grouped;
    const read = grouped ?? (await readWithBpf(query, begin()));
    if (typeof read === "object") return read;
    bpfErrno = read;
    if (query.source === "bpf") throw unreadable("it cannot be read with BPF", bpfErrno, bpfErrno, BPF_FIX);
  }
  if (query.source !== "/proc/net/tcp") {
    // The kernel goes through a chain of listeners at once, so only a dump that it resumed may be inconsistent.
    const isOfListeners = query.states === 1 << TCP_LISTEN;
    let before: NetlinkRead | undefined;
    for (let attempt = 1; ; attempt++) {
      const turnover = attempts > 1 && !isOfListeners ? readTurnover() : "";
      const read = await readNetlink(query, begin(), DATAGRAM_BYTES - (attempt - 1) * SHORTER_BYTES);
      if (typeof read === "number") {
        fallbackErrno = errnoName(-read);
        break;
      }
      const isQuiet = attempts === 1 || (isOfListeners ? read.isInOnePart : readTurnover() === turnover);
      if (attempt >= attempts || read.wasEnded || isSettled(read, before, isQuiet)) return { ...read.table, bpfErrno };
      before = read;
    }
    if (query.source === "sock_diag") throw unreadable("sock_diag cannot be read", fallbackErrno);
  }
  const read = await readProc(query, begin());
  if (typeof read === "string")
    throw unreadable("neither sock_diag nor /proc/net/tcp can be read", fallbackErrno, read);
  return { ...read, fallbackErrno, bpfErrno };
}

/**
 * Reads connections with BPF, after listeners with sock_diag. A chain of the kernel's table is read again if it changes
 * meanwhile, so no second pass is needed.
 *
 * @returns the name of an errno on failure: EAGAIN if the table changed too much; undefined if groups are not
 *   sufficient
 */
async function readWithBpf(
  query: SocketQuery,
  visit: SocketVisit,
  groups?: GroupSink,
): Promise<TableRead | string | undefined> {
  const states = (query.states ?? ALL_STATES) & (1 << TCP_LISTEN);
  const ofListeners = { ...query, states };
  let sockets = states !== 0 && groups ? groups.visitListeners(ofListeners, visit) : 0;
  if (states !== 0 && !groups) {
    const listeners = await readNetlink(ofListeners, visit, DATAGRAM_BYTES);
    if (typeof listeners === "number") return errnoName(-listeners);
    if (listeners.wasEnded) return { ...listeners.table, source: "bpf" };
    sockets = listeners.table.sockets;
  }
  const read = await readHash(query, visit, { groups });
  if (typeof read === "number") return errnoName(-read);
  if (read.isAmbiguous) return undefined;
  if (read.wasInterrupted) return errnoName(EAGAIN);
  return { source: "bpf", fallbackErrno: undefined, sockets: sockets + read.sockets, wasInterrupted: false };
}

interface NetlinkRead {
  readonly table: TableRead;
  readonly fingerprint: DumpFingerprint;
  readonly wasEnded: boolean;
  readonly isInOnePart: boolean;
}

function isSettled({ table, fingerprint }: NetlinkRead, before: NetlinkRead | undefined, isQuiet: boolean): boolean {
  if (table.wasInterrupted) return false;
  // A small difference is an artefact of the dump. A large difference comes from sockets that keep changing, for which
  // no two passes will agree.
  return isQuiet || (before !== undefined && fingerprint.compare(before.fingerprint) !== "few differ");
}

/** @returns a negative errno on failure */
async function readNetlink(
  query: SocketQuery,
  visit: SocketVisit,
  datagramBytes: number,
): Promise<NetlinkRead | number> {
  const conditions = toDiagFilter(query);
  const filter = conditions && compileDiagFilter(conditions);
  // Filters too long for the kernel's bytecode are applied here.
  const test = conditions && (filter ? testOfListeners(query) : toTest(query, interfaceIndex));
  const request: DiagRequest = {
    family: query.family,
    states: query.states ?? ALL_STATES,
    localPort: singlePort(query.local),
    remotePort: singlePort(query.remote),
    filter,
    extensions: (query.memory ? DIAG_EXTENSION.skMemInfo : 0) | (query.info ? DIAG_EXTENSION.info : 0),
  };
  const dump = new DiagDump(request, datagramBytes);
  const pass = new Pass(new DiagSocket(dump.bytes), visit, test);
  try {
    await turns((each) => dump.next(each), pass);
  } finally {
    dump.close();
  }
  if (dump.error !== 0) return dump.error;
  const { sockets, fingerprint, wasEnded } = pass;
  const table: TableRead = {
    source: "sock_diag",
    fallbackErrno: undefined,
    sockets,
    wasInterrupted: dump.wasInterrupted,
  };
  return { table, fingerprint, wasEnded, isInOnePart: dump.isInOnePart };
}

/** Returns a test for wildcard listeners, which bytecode cannot check. Other sockets have already been filtered. */
function testOfListeners(query: SocketQuery): ((socket: SocketView) => boolean) | undefined {
  if (!needsListenerTest(query)) return undefined;
  const test = toTest(query, interfaceIndex);
  return (socket) => socket.state !== TCP_LISTEN || test(socket);
}

/** @returns the errno's name if nothing can be read */
async function readProc(query: SocketQuery, visit: SocketVisit): Promise<TableRead | string> {
  const test = toTest(query, interfaceIndex);
  let sockets = 0;
  let wasOpened = false;
  let errno = "";
  for (const [path, isV6] of [
    ["/proc/net/tcp", false],
    ["/proc/net/tcp6", true],
  ] as const) {
    const dump = new ProcTcpDump(path, isV6);
    wasOpened ||= dump.openErrno === undefined;
    errno ||= dump.openErrno ?? "";
    const pass = new Pass(new DiagSocket(dump.bytes), visit, test);
    try {
      await turns((each) => dump.next(each), pass);
    } finally {
      dump.close();
    }
    sockets += pass.sockets;
    if (pass.wasEnded) break;
  }
  if (!wasOpened) return errno;
  return { source: "/proc/net/tcp", fallbackErrno: undefined, sockets, wasInterrupted: false };
}

function unreadable(what: string, netlinkErrno: string | undefined, procErrno?: string, fix = FIX): AppError {
  const errno = netlinkErrno ?? procErrno;
  const forbidden = [EPERM, EACCES].map(errnoName);
  const isForbidden = procErrno !== undefined && forbidden.some((name) => name === netlinkErrno || name === procErrno);
  return new AppError(
    isForbidden ? "E_PERMISSION" : "E_SYSTEM",
    `the socket table: ${what}${errno ? ` (${errno})` : ""}`,
    {
      fix,
      ...(errno === undefined ? {} : { facts: { errno } }),
    },
  );
}
