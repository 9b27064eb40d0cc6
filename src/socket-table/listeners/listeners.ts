// Reads the LISTEN sockets of the namespace, with their accept queues and the connections they have accepted.

import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import type { SourceName } from "../../results/sockets/owners.js";
import type { ListenerRow } from "../../results/sockets/socket-table.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { AddressIndex } from "../addresses.js";
import { PairIndex } from "../aggregate/dense-index.js";
import type { SocketQuery } from "../query.js";
import { isWildcard, toTest } from "../socket-test.js";
import { readTable } from "../table.js";
import type { SocketView } from "../view.js";

/** Number of connections accepted at a local address and port. */
interface Accepted {
  readonly ip: string;
  readonly port: number;
  readonly established: number;
}

const LISTEN_ONLY = 1 << TCP_LISTEN;
/** Bits that describe which sockets the listeners on a port may have accepted. */
const ON_ANY_IPV4 = 1;
const ON_ANY_MAPPED = 2;
const ON_ANY_IPV6 = 4;
const ON_SOME = 8;

/**
 * Reads the LISTEN sockets that match the query's conditions on the local end, whatever states it names; sorted by
 * port.
 *
 * @param accepted connections accepted by all listeners; by default, none are counted
 */
export async function readListeners(query: SocketQuery, accepted: Iterable<Accepted> = []): Promise<ListenerRow[]> {
  let rows: ListenerRow[] = [];
  const { source } = await readTable(ofListeners(query), () => {
    rows = [];
    return (socket) => rows.push(toRow(socket));
  });
  return completed(rows, source, accepted);
}

/** Returns the query for the listeners. A listener has no peer, so conditions on the remote end do not apply. */
function ofListeners({ remote: _, either, local, ...rest }: SocketQuery): SocketQuery {
  return { ...rest, memory: false, states: LISTEN_ONLY, local: merge(local, either), wildcardListeners: true };
}

function completed(rows: readonly ListenerRow[], source: SourceName, accepted: Iterable<Accepted>): ListenerRow[] {
  const hasLimits = source === "sock_diag";
  const sorted = rows
    .map((row) => (hasLimits ? row : { ...row, acceptQueue: { ...row.acceptQueue, limit: undefined } }))
    .sort((a, b) => a.port - b.port || (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0));
  return withAccepted(sorted, accepted);
}

function withAccepted(rows: readonly ListenerRow[], accepted: Iterable<Accepted>): ListenerRow[] {
  const listeners = new Map<string, { sharedBy: number; established: number; takesIpv4: boolean }>();
  for (const { ip, port, isV6Only } of rows) {
    const key = formatEndpoint(ip, port);
    const before = listeners.get(key);
    const takesIpv4 = !isV6Only || (before?.takesIpv4 ?? false);
    listeners.set(key, { sharedBy: (before?.sharedBy ?? 0) + 1, established: 0, takesIpv4 });
  }
  for (const { ip, port, established } of accepted) {
    const isIpv4 = !ip.includes(":");
    const own = listeners.get(formatEndpoint(ip, port)) ?? (isIpv4 && listeners.get(formatEndpoint("0.0.0.0", port)));
    const onAll = listeners.get(formatEndpoint("::", port));
    const listener = own || (onAll && (onAll.takesIpv4 || !isIpv4) ? onAll : undefined);
    if (listener) listener.established += established;
  }
  return rows.map((row) => {
    const { sharedBy, established } = listeners.get(formatEndpoint(row.ip, row.port))!;
    return { ...row, sharedBy, established };
  });
}

/** The namespace's listeners and the numbers of their addresses, for several summaries of one pass. */
export class KnownListeners {
  readonly addresses: AddressIndex;
  readonly listening: ListenerSet;

  static async read(source: SourceName | undefined): Promise<KnownListeners> {
    const addresses = new AddressIndex();
    return new KnownListeners(addresses, await ListenerSet.read(addresses, source));
  }

  /** Like readListeners(), as of the time of reading. */
  rows(query: SocketQuery, accepted: Iterable<Accepted>): ListenerRow[] {
    const { sockets, source } = this.listening;
    return completed(sockets.filter(toTest(ofListeners(query), interfaceIndex)).map(toRow), source, accepted);
  }

  private constructor(addresses: AddressIndex, listening: ListenerSet) {
    this.addresses = addresses;
    this.listening = listening;
  }
}

/**
 * Distinguishes accepted connections from those opened here: only an accepted connection shares its local endpoint
 * with a listening socket.
 */
export class ListenerSet {
  /** Whether anything listens on a port, indexed by port. */
  readonly ports = new Uint8Array(65_536);
  readonly sockets: SocketView[] = [];
  /** Where the listeners were read. */
  source: SourceName = "sock_diag";
  private readonly addresses: AddressIndex;
  private readonly endpoints = new PairIndex();
  /** The last question to hasAcceptedIpv4(). Most sockets of a busy server have the same answer. */
  private lastIpv4 = -1;
  private lastPort = -1;
  private wasAccepted = false;

  /** Reads all LISTEN sockets in the namespace. */
  static async read(addresses: AddressIndex, source: SourceName | undefined): Promise<ListenerSet> {
    let set = new ListenerSet(addresses);
    const read = await readTable({ states: LISTEN_ONLY, source }, () => {
      set = new ListenerSet(addresses);
      return (socket) => set.add(socket);
    });
    set.source = read.source;
    return set;
  }

  private constructor(addresses: AddressIndex) {
    this.addresses = addresses;
  }

  /** @param localId number of the socket's local address in the same AddressIndex */
  hasAccepted(socket: SocketView, localId: number): boolean {
    const port = socket.localPort;
    const kind = this.ports[port]!;
    if (kind === 0) return false;
    // An accepted socket has the family of its listener. A listener on :: accepts IPv4 connections under
    // IPv4-mapped addresses.
    const onAny = socket.family === 4 ? ON_ANY_IPV4 : socket.localIpv4 >= 0 ? ON_ANY_MAPPED : ON_ANY_IPV6;
    return (kind & onAny) !== 0 || this.endpoints.find(localId, port) >= 0;
  }

  /** Like hasAccepted(), for a socket with this IPv4 address, which gets a number only if necessary. */
  hasAcceptedIpv4(socket: SocketView, localIpv4: number): boolean {
    const kind = this.ports[socket.localPort]!;
    if (kind === 0) return false;
    if ((kind & (socket.family === 4 ? ON_ANY_IPV4 : ON_ANY_MAPPED)) !== 0) return true;
    const port = socket.localPort;
    if (localIpv4 !== this.lastIpv4 || port !== this.lastPort) {
      this.lastIpv4 = localIpv4;
      this.lastPort = port;
      this.wasAccepted = this.endpoints.find(this.addresses.ofIpv4(localIpv4), port) >= 0;
    }
    return this.wasAccepted;
  }

  private add(socket: SocketView): void {
    const port = socket.localPort;
    this.sockets.push(socket.copied());
    if (isWildcard(socket)) {
      this.ports[port]! |= socket.family === 4 ? ON_ANY_IPV4 : ON_ANY_IPV6;
      if (socket.family === 6 && !socket.isV6Only) this.ports[port]! |= ON_ANY_MAPPED;
    } else {
      this.ports[port]! |= ON_SOME;
      this.endpoints.idOf(this.addresses.local(socket), port);
    }
  }
}

function merge(local: SocketQuery["local"], either: SocketQuery["either"]): SocketQuery["local"] {
  if (!local || !either) return local ?? either;
  return {
    ports: local.ports ?? either.ports,
    addresses: local.addresses ?? either.addresses,
    oneOf: local.oneOf ?? either.oneOf,
  };
}

function toRow(socket: SocketView): ListenerRow {
  return {
    ip: socket.localIp,
    port: socket.localPort,
    family: socket.family,
    acceptQueue: { used: socket.receiveQueue, limit: socket.sendQueue },
    uid: socket.uid,
    inode: socket.inode,
    isV6Only: socket.isV6Only,
    established: 0,
    sharedBy: 1,
  };
}
