// Detects ports bound before connect(). bind(address, 0) reserves a port regardless of the destination, so all
// destinations of the address share one pool. The kernel does not report how a connected socket obtained its port, but
// the port it chose is a clue. connect() prefers ports of the range's first parity and reuses them for several
// destinations. bind() starts with the other parity and never selects a port that a socket of the address uses.

import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import type { SourceName } from "../../results/sockets/owners.js";
import type { BoundPoolRow } from "../../results/sockets/pressure.js";
import type { AddressIndex } from "../addresses.js";
import { Counts, PairIndex } from "../aggregate/dense-index.js";
import type { KnownListeners, ListenerSet } from "../listeners/listeners.js";
import { ALL_STATES } from "../query.js";
import { isWildcard } from "../socket-test.js";
import { readTable, type SocketVisit } from "../table.js";
import type { SocketView } from "../view.js";
import { PRESSURE_MARK } from "./marks.js";
import type { PortPoolSize } from "./port-pool.js";

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

/**
 * Pools of bound ports. Connections to a single destination form no pool, because sharing ports makes no difference
 * there.
 */
export class BoundPools {
  private readonly known: KnownListeners;
  private readonly pool: PortPoolSize;
  private readonly source: SourceName | undefined;
  private ports: SourcePorts;

  constructor(known: KnownListeners, pool: PortPoolSize, source: SourceName | undefined) {
    this.known = known;
    this.pool = pool;
    this.source = source;
    this.ports = new SourcePorts(known, pool);
  }

  /** Visits connections during a pass that includes all of them, for readTable(). */
  readonly begin = (): SocketVisit => {
    const ports = new SourcePorts(this.known, this.pool);
    this.ports = ports;
    return (socket) => ports.add(socket);
  };

  async readConnections(): Promise<void> {
    await readTable({ states: CONNECTED, source: this.source, tuplesOnly: true }, this.begin);
  }

  /** Reads sockets that are bound but neither listen nor connect. */
  async readUnconnected(): Promise<void> {
    const { ports } = this;
    await readTable({ states: UNCONNECTED, source: this.source }, () => {
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

/** Ports of the range in use, by source address. */
class SourcePorts {
  private readonly addresses: AddressIndex;
  private readonly listening: ListenerSet;
  private readonly pool: PortPoolSize;
  /** Pairs of (source address, port), with the number of sockets and the destination of the first. */
  private readonly ports = new PairIndex();
  private readonly users = new Counts();
  private readonly firstTriple = new Counts();
  /** 1 for a port held by an unconnected socket. */
  private idle = new Counts();
  private readonly endpoints = new PairIndex();
  /** Pairs of (source address, destination). */
  private readonly triples = new PairIndex();
  private readonly connections = new Counts();
  /** Ports bound on all addresses. */
  private readonly onAll = new Set<number>();

  constructor({ addresses, listening }: KnownListeners, pool: PortPoolSize) {
    this.addresses = addresses;
    this.listening = listening;
    this.pool = pool;
  }

  clearUnconnected(): void {
    this.idle = new Counts();
    this.onAll.clear();
  }

  addUnconnected(socket: SocketView): void {
    const { localPort: port } = socket;
    const { first, last } = this.pool.range;
    if (port < first || port > last) return;
    if (isWildcard(socket)) this.onAll.add(port);
    else this.idle.set(this.ports.idOf(this.addresses.local(socket), port), 1);
  }

  add(socket: SocketView): void {
    const { localPort: port } = socket;
    const { first, last } = this.pool.range;
    if (port < first || port > last) return;
    const source = this.addresses.local(socket);
    if (this.listening.hasAccepted(socket, source)) return;
    const destination = this.endpoints.idOf(this.addresses.remote(socket), socket.remotePort);
    const triple = this.triples.idOf(source, destination);
    this.connections.add(triple);
    const id = this.ports.idOf(source, port);
    if (this.users.get(id) === 0) this.firstTriple.set(id, triple);
    this.users.add(id);
  }

  rows(isWanted: (sourceId: number) => boolean): BoundPoolRow[] {
    const destinations = new Counts();
    for (let triple = 0; triple < this.triples.size; triple++) destinations.add(this.triples.first(triple));
    const inUse = new Counts();
    const idle = new Counts();
    const sole = new Counts();
    const odd = new Counts();
    const even = new Counts();
    for (let id = 0; id < this.ports.size; id++) {
      const source = this.ports.first(id);
      if (this.users.get(id) === 0 && this.idle.get(id) === 0) continue;
      inUse.add(source);
      if (this.idle.get(id) > 0) idle.add(source);
      if (this.users.get(id) !== 1) continue;
      sole.add(source);
      // Beyond half of the range, connect() also uses the other parity.
      if (this.connections.get(this.firstTriple.get(id)) > this.pool.capacity / 2) continue;
      (this.ports.second(id) - this.pool.range.first) % 2 === 1 ? odd.add(source) : even.add(source);
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
    for (const port of this.onAll) if (this.ports.find(source, port) < 0) elsewhere++;
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
