// Ephemeral pressure: how many source ports are taken towards each destination, out of how many, and what is left.
import type { PortRange } from "../base/address.js";
import { TCP_LISTEN, TCP_TIME_WAIT } from "../sys/constants.js";
import { DEFAULT_PORT_RANGE, readLocalPortRange, readReservedPorts } from "../sys/local-ports.js";
import { AddressIndex } from "./addresses.js";
import { type SocketFilter, toQuery } from "./filter.js";
import { Counts, PairIndex, topIds } from "./intern.js";
import { ListenerSet } from "./listeners.js";
import { ALL_STATES } from "./query.js";
import { readTable, type SourceName } from "./table.js";
import type { SocketView } from "./view.js";

/** From this share on a destination is marked. */
export const PRESSURE_MARK = 0.8;

const TOP = 10;
const CONNECTION_STATES = ALL_STATES & ~(1 << TCP_LISTEN);
/** 1024 to 65,535: what explicit binds have without a privilege. */
const EXPLICIT_PORTS = 64_512;

/** Where source ports come from: the kernel's choice, or explicit binds (1024-65535) once some lie outside of it. */
export type PortPool = "ip_local_port_range" | "1024-65535";

/** One source address towards one destination: no two of its connections can have the same source port. */
export interface PressureRow {
  readonly sourceIp: string;
  readonly destinationIp: string;
  readonly destinationPort: number;
  /** Source ports taken, TIME_WAIT included. */
  readonly taken: number;
  /** Of these, in TIME_WAIT. */
  readonly timeWait: number;
  /** Of these, outside of ip_local_port_range: explicit binds. */
  readonly outsideRange: number;
  readonly pool: PortPool;
  /** Ports that the pool has. */
  readonly capacity: number;
  readonly left: number;
  /** taken / capacity, 0 to 1. */
  readonly share: number;
  /** share is PRESSURE_MARK or more. */
  readonly isMarked: boolean;
}

/** Filters are about destinations. A port is taken whatever the state of its socket: there is no filter for states. */
export interface PressureOptions extends Omit<SocketFilter, "states"> {
  /** The destination's: one port of a source says nothing of those that are left. */
  readonly port?: number | string | undefined;
  /** The destination's: IPv4 ports are taken by IPv4-mapped sockets as well. */
  readonly family?: 4 | 6 | undefined;
  /** Rows at most; default 10. */
  readonly top?: number | undefined;
}

export interface Pressure {
  readonly kind: "pressure";
  readonly version: 1;
  readonly takenAt: string;
  readonly elapsedMs: number;
  readonly source: SourceName;
  readonly fallbackErrno: string | undefined;
  readonly wasInterrupted: boolean;
  /** net.ipv4.ip_local_port_range (IPv6 uses it too). */
  readonly portRange: PortRange;
  /** Ports of the range that net.ipv4.ip_local_reserved_ports keeps from the kernel's choice. */
  readonly reservedPorts: number;
  /** Ports of the range, not reserved, that LISTEN sockets hold: the kernel passes them over. */
  readonly listeningPorts: number;
  /** What the kernel has to choose from: range - reserved - listening. */
  readonly kernelCapacity: number;
  /**
   * Sockets opened from here: accepted ones take no source port. Left out are those, too, whose local endpoint several
   * peers share, each with one connection from a higher port: most likely they were accepted, and their listener is gone.
   */
  readonly outgoing: number;
  /** (source IP, destination IP, destination port) triples there are. */
  readonly distinct: number;
  /** Triples that are marked, shown or not. */
  readonly marked: number;
  /** Highest share first. */
  readonly rows: readonly PressureRow[];
}

/**
 * How near each destination is to "Cannot assign requested address".
 *
 * @throws {AppError} E_ADDRESS for an address or a port that is none; E_PERMISSION or E_SYSTEM when the table cannot be read
 * @see Linux ip-sysctl.rst, ip_local_port_range and ip_local_reserved_ports
 */
export async function pressure(options: PressureOptions = {}): Promise<Pressure> {
  const takenAt = new Date();
  const startMs = performance.now();
  const { family, ...filter } = options;
  const query = { ...toQuery({ ...filter, states: undefined, memory: false }), states: CONNECTION_STATES };
  const ports = query.either?.ports?.[0];
  const addresses = new AddressIndex();
  const listening = await ListenerSet.read(addresses, query.source);
  const pool = readPool(listening);
  let triples = new Triples(addresses, listening, pool.range);
  const read = await readTable(query, () => {
    triples = new Triples(addresses, listening, pool.range);
    return (socket) => {
      if (family !== undefined && family !== (socket.remoteIpv4 >= 0 ? 4 : 6)) return;
      if (ports && (socket.remotePort < ports.first || socket.remotePort > ports.last)) return;
      triples.add(socket);
    };
  });
  triples.leaveOutServers();
  const shares = (id: number) => triples.taken.get(id) / triples.capacity(id, pool.capacity);
  let marked = 0;
  for (let id = 0; id < triples.index.size; id++) if (shares(id) >= PRESSURE_MARK) marked++;
  return {
    kind: "pressure",
    version: 1,
    takenAt: takenAt.toISOString(),
    elapsedMs: performance.now() - startMs,
    source: read.source,
    fallbackErrno: read.fallbackErrno,
    wasInterrupted: read.wasInterrupted,
    portRange: pool.range,
    reservedPorts: pool.reserved,
    listeningPorts: pool.listening,
    kernelCapacity: pool.capacity,
    outgoing: triples.outgoing,
    distinct: triples.distinct,
    marked,
    rows: topIds(triples.index.size, options.top ?? TOP, shares, (a, b) => triples.compare(a, b)).map((id) =>
      triples.row(id, pool.capacity),
    ),
  };
}

/** Counts the outgoing sockets of each triple: their source ports differ, or it would be the same 4-tuple twice. */
class Triples {
  /** Pairs of (destination, source address), both by number. */
  readonly index = new PairIndex();
  readonly taken = new Counts();
  outgoing = 0;
  /** Triples that count. */
  distinct = 0;
  private readonly destinations = new PairIndex();
  private readonly timeWait = new Counts();
  private readonly outside = new Counts();
  /** The local port of each triple's first socket. */
  private readonly firstPort = new Counts();
  private readonly addresses: AddressIndex;
  private readonly listening: ListenerSet;
  private readonly range: PortRange;

  constructor(addresses: AddressIndex, listening: ListenerSet, range: PortRange) {
    this.addresses = addresses;
    this.listening = listening;
    this.range = range;
  }

  add(socket: SocketView): void {
    const sourceId = this.addresses.local(socket);
    if (this.listening.hasAccepted(socket, sourceId)) return;
    this.outgoing++;
    const destination = this.destinations.idOf(this.addresses.remote(socket), socket.remotePort);
    const id = this.index.idOf(destination, sourceId);
    const port = socket.localPort;
    if (this.taken.get(id) === 0) this.firstPort.set(id, port);
    this.taken.add(id);
    if (socket.state === TCP_TIME_WAIT) this.timeWait.add(id);
    if (port < this.range.first || port > this.range.last) this.outside.add(id);
  }

  /**
   * Forgets the sockets of servers that do not listen any more: many peers, one local endpoint, the lower port. A client's
   * port may serve several destinations, too, but theirs is the lower one.
   */
  leaveOutServers(): void {
    const { size } = this.index;
    const endpoints = new PairIndex();
    const peers = new Counts();
    const endpointOf = (id: number) => endpoints.idOf(this.index.second(id), this.firstPort.get(id));
    const isLone = (id: number) =>
      this.taken.get(id) === 1 && this.firstPort.get(id) < this.destinations.second(this.index.first(id));
    for (let id = 0; id < size; id++) if (isLone(id)) peers.add(endpointOf(id));
    this.distinct = size;
    for (let id = 0; id < size; id++) {
      if (!isLone(id) || peers.get(endpointOf(id)) === 1) continue;
      this.taken.set(id, 0);
      this.outgoing--;
      this.distinct--;
    }
  }

  /** Orders triples that are equals by destination, then source. */
  compare(a: number, b: number): number {
    const { destinations, index, addresses } = this;
    const [toA, toB] = [index.first(a), index.first(b)];
    return (
      addresses.compare(destinations.first(toA), destinations.first(toB)) ||
      destinations.second(toA) - destinations.second(toB) ||
      addresses.compare(index.second(a), index.second(b))
    );
  }

  capacity(id: number, kernelCapacity: number): number {
    return this.isKernelChosen(id, kernelCapacity) ? kernelCapacity : EXPLICIT_PORTS;
  }

  row(id: number, kernelCapacity: number): PressureRow {
    const destination = this.index.first(id);
    const taken = this.taken.get(id);
    const capacity = this.capacity(id, kernelCapacity);
    return {
      sourceIp: this.addresses.text(this.index.second(id)),
      destinationIp: this.addresses.text(this.destinations.first(destination)),
      destinationPort: this.destinations.second(destination),
      taken,
      timeWait: this.timeWait.get(id),
      outsideRange: this.outside.get(id),
      pool: this.isKernelChosen(id, kernelCapacity) ? "ip_local_port_range" : "1024-65535",
      capacity,
      left: Math.max(0, capacity - taken),
      share: taken / capacity,
      isMarked: taken / capacity >= PRESSURE_MARK,
    };
  }

  /** More than the kernel has to choose from were bound explicitly as well, wherever they lie. */
  private isKernelChosen(id: number, kernelCapacity: number): boolean {
    return this.outside.get(id) === 0 && this.taken.get(id) <= kernelCapacity;
  }
}

interface Pool {
  readonly range: PortRange;
  readonly reserved: number;
  readonly listening: number;
  readonly capacity: number;
}

function readPool(listening: ListenerSet): Pool {
  const range = readLocalPortRange() ?? DEFAULT_PORT_RANGE;
  const isReserved = new Uint8Array(65_536);
  for (const { first, last } of readReservedPorts() ?? []) isReserved.fill(1, first, last + 1);
  let reserved = 0;
  let held = 0;
  for (let port = range.first; port <= range.last; port++) {
    if (isReserved[port]) reserved++;
    else if (listening.ports[port]) held++;
  }
  return { range, reserved, listening: held, capacity: range.last - range.first + 1 - reserved - held };
}
