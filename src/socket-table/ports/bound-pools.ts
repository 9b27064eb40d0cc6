// Detects ports bound before connect(). bind(address, 0) reserves a port regardless of the destination, so all
// destinations of the address share one pool. The kernel does not report how a connected socket obtained its port, but
// the port it chose is a clue. connect() prefers ports of the range's first parity and reuses them for several
// destinations. bind() starts with the other parity and never selects a port that a socket of the address uses.

import { GROUPS, LOG_BYTES, NO_GROUP } from "../../linux/bpf/walk-groups.js";
import { countHashedSockets, readSockstat } from "../../linux/proc/procfs.js";
import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import type { SourceName } from "../../results/sockets/owners.js";
import type { BoundPoolRow } from "../../results/sockets/pressure.js";
import type { AddressIndex } from "../addresses.js";
import { Counts, PairIndex } from "../aggregate/dense-index.js";
import type { KnownListeners, ListenerSet } from "../listeners/listeners.js";
import { ALL_STATES, type SocketQuery } from "../query.js";
import { isWildcard } from "../socket-test.js";
import type { GroupVisitor } from "../sources/groups.js";
import { WORTH_SOCKETS } from "../sources/hash.js";
import type { SummaryPart } from "../sources/together.js";
import { readTable, type SocketVisit } from "../table.js";
import type { SocketView } from "../view.js";
import { PRESSURE_MARK } from "./marks.js";
import type { PortPoolSize } from "./port-pool.js";
import { PortUsers, SHARED } from "./port-users.js";

/**
 * State with which to request bound sockets that are neither listening nor connected. Since Linux 6.8, sock_diag
 * reports such sockets as CLOSE.
 */
const BOUND_INACTIVE = 13;
const CLOSE = 7;
const CONNECTED = ALL_STATES & ~(1 << TCP_LISTEN);
const UNCONNECTED = (1 << CLOSE) | (1 << BOUND_INACTIVE);
/** Minimum number of ports. Fewer allow no conclusion. */
const LEAST = 16;
/** All bound ports have the same parity until this share of that parity is in use. */
const NEARLY = 0.9;
/** Minimum ratio between the odd and even port counts. Explicitly bound ports are distributed evenly. */
const LOPSIDED = 2;
/** Stand for a group's triple. */
const NOT_SEEN = -1;
const ACCEPTED = -2;
const LOG_WORDS = LOG_BYTES / 4;

/**
 * Pools of bound ports. Connections to a single destination form no pool, because sharing ports makes no difference
 * there.
 */
export class BoundPools implements SummaryPart {
  /** All connections. */
  readonly query: SocketQuery;
  private readonly known: KnownListeners;
  private readonly pool: PortPoolSize;
  private ports: SourcePorts;

  constructor(known: KnownListeners, pool: PortPoolSize, source: SourceName | undefined) {
    this.known = known;
    this.pool = pool;
    this.query = { states: CONNECTED, source, tuplesOnly: true };
    this.ports = new SourcePorts(known, pool);
  }

  begin(): SocketVisit {
    const ports = new SourcePorts(this.known, this.pool);
    this.ports = ports;
    return (socket) => ports.add(socket);
  }

  get groups(): GroupVisitor {
    return {
      addGroup: () => undefined,
      addLog: (log, sockets, firstOf) => this.ports.addLog(log, sockets, firstOf),
    };
  }

  /**
   * Reads sockets that are bound but neither listen nor connect. For this, the kernel goes through all sockets of the
   * host, so nothing is read on a host with many sockets if this namespace has next to no such sockets.
   */
  async readUnconnected(): Promise<void> {
    const sockstat = readSockstat();
    if ((sockstat["TCP.alloc"] ?? 0) >= WORTH_SOCKETS && mostUnconnected(sockstat) < LEAST) return;
    const { ports } = this;
    await readTable({ states: UNCONNECTED, source: this.query.source }, () => {
      ports.clearUnconnected();
      return (socket) => ports.addUnconnected(socket);
    });
  }

  /**
   * Returns the pools of some source addresses, highest share first.
   *
   * @param isWanted selects source addresses
   */
  rows(isWanted: (sourceId: number) => boolean): BoundPoolRow[] {
    return this.ports.rows(isWanted).sort((a, b) => b.share - a.share || (a.sourceIp < b.sourceIp ? -1 : 1));
  }
}

/**
 * Returns the maximum number of sockets that neither listen nor connect. The kernel has two counts that include them: the
 * TCP sockets of all namespaces, and the sockets of this one, whatever their protocol. Sockets of the kernel itself, such
 * as those of tunnels, are not in the second count, so they may hide as many others. Orphans and connections that wait in
 * an accept queue are.
 *
 * @param sockstat see readSockstat()
 */
export function mostUnconnected(sockstat: Readonly<Record<string, number>>): number {
  const { "TCP.alloc": allocated = Infinity, "TCP.inuse": ipv4 = 0, "TCP6.inuse": ipv6 = 0 } = sockstat;
  const { "sockets.used": used = Infinity } = sockstat;
  return Math.min(allocated - ipv4 - ipv6, used - countHashedSockets());
}

/** Ports of the range in use, by source address. */
class SourcePorts {
  private readonly addresses: AddressIndex;
  private readonly listening: ListenerSet;
  private readonly pool: PortPoolSize;
  private readonly users = new PortUsers();
  /** Pairs of (source address, port) of unconnected sockets. */
  private idle = new PairIndex();
  private readonly endpoints = new PairIndex();
  /** Pairs of (source address, destination). */
  private readonly triples = new PairIndex();
  private readonly connections = new Counts();
  /** Source address and triple by number of the group (linux/bpf/walk-groups.ts). */
  private readonly sourceOf = new Int32Array(GROUPS);
  private readonly tripleOf = new Int32Array(GROUPS).fill(NOT_SEEN);
  /** Ports bound on all addresses. */
  private readonly onAll = new Set<number>();

  constructor({ addresses, listening }: KnownListeners, pool: PortPoolSize) {
    this.addresses = addresses;
    this.listening = listening;
    this.pool = pool;
  }

  clearUnconnected(): void {
    this.idle = new PairIndex();
    this.onAll.clear();
  }

  addUnconnected(socket: SocketView): void {
    const { localPort: port } = socket;
    const { first, last } = this.pool.range;
    if (port < first || port > last) return;
    if (isWildcard(socket)) this.onAll.add(port);
    else this.idle.idOf(this.addresses.local(socket), port);
  }

  add(socket: SocketView): void {
    const { localPort: port } = socket;
    const { first, last } = this.pool.range;
    if (port < first || port > last) return;
    const source = this.addresses.local(socket);
    if (this.listening.hasAccepted(socket, source)) return;
    const triple = this.tripleFrom(source, socket);
    this.connections.add(triple);
    this.users.add(source, port, triple);
  }

  /** @see GroupVisitor.addLog */
  addLog(log: Int32Array, sockets: number, firstOf: (group: number) => SocketView): void {
    const { sourceOf, tripleOf } = this;
    const { first, last } = this.pool.range;
    for (let at = 0; at < LOG_WORDS * sockets; at += LOG_WORDS) {
      const group = log[at]! & 0xffff;
      const port = log[at + 1]! & 0xffff;
      // Sockets in no group are visited.
      if (group === NO_GROUP || port < first || port > last) continue;
      let triple = tripleOf[group]!;
      if (triple === NOT_SEEN) {
        const socket = firstOf(group);
        const source = this.addresses.local(socket);
        triple = this.listening.hasAccepted(socket, source) ? ACCEPTED : this.tripleFrom(source, socket);
        sourceOf[group] = source;
        tripleOf[group] = triple;
      }
      if (triple === ACCEPTED) continue;
      this.connections.add(triple);
      this.users.add(sourceOf[group]!, port, triple);
    }
  }

  private tripleFrom(source: number, socket: SocketView): number {
    const destination = this.endpoints.idOf(this.addresses.remote(socket), socket.remotePort);
    return this.triples.idOf(source, destination);
  }

  rows(isWanted: (sourceId: number) => boolean): BoundPoolRow[] {
    const destinations = new Counts();
    for (let triple = 0; triple < this.triples.size; triple++) destinations.add(this.triples.first(triple));
    const inUse = new Counts();
    const idle = new Counts();
    const sole = new Counts();
    const odd = new Counts();
    const even = new Counts();
    this.users.forEach((source, port, triple) => {
      inUse.add(source);
      if (triple === SHARED) return;
      sole.add(source);
      // Beyond half of the range, connect() also uses the other parity.
      if (this.connections.get(triple) > this.pool.capacity / 2) return;
      (port - this.pool.range.first) % 2 === 1 ? odd.add(source) : even.add(source);
    });
    for (let id = 0; id < this.idle.size; id++) {
      const source = this.idle.first(id);
      idle.add(source);
      if (!this.users.has(source, this.idle.second(id))) inUse.add(source);
    }
    const rows: BoundPoolRow[] = [];
    for (let source = 0; source < this.addresses.size; source++) {
      if (!isWanted(source)) continue;
      const told = this.boundOf(odd.get(source), even.get(source), sole.get(source));
      const found = (destinations.get(source) < 2 ? 0 : told) + idle.get(source);
      if (found < LEAST) continue;
      rows.push(this.row(source, inUse.get(source), found, destinations.get(source)));
    }
    return rows;
  }

  /** Returns the number of ports bound before connect(), or 0 if connect() may have chosen them as well. */
  private boundOf(odd: number, even: number, sole: number): number {
    if (odd < LEAST) return 0;
    // One parity is exhausted, so further ports were bound with the other.
    if (odd > (this.pool.capacity / 2) * NEARLY) return sole;
    return odd >= LOPSIDED * even ? odd : 0;
  }

  private row(source: number, own: number, bound: number, destinations: number): BoundPoolRow {
    const { capacity } = this.pool;
    let elsewhere = 0;
    for (const port of this.onAll) if (!this.users.has(source, port) && this.idle.find(source, port) < 0) elsewhere++;
    const inUse = own + elsewhere;
    const share = inUse / capacity;
    return {
      sourceIp: this.addresses.text(source),
      inUse,
      bound,
      destinations,
      capacity,
      left: Math.max(0, capacity - inUse),
      share,
      isMarked: share >= PRESSURE_MARK,
    };
  }
}
