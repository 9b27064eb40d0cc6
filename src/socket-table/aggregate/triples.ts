// Counts source ports in use per (source address, destination). Connections of such a triple cannot share a source
// port.

import { TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import type { PressureOwner, PressureRow } from "../../results/sockets/pressure.js";
import type { PortRange } from "../../util/endpoint.js";
import type { AddressIndex } from "../addresses.js";
import type { ListenerSet } from "../listeners/listeners.js";
import type { ScannedOwners } from "../listeners/owners.js";
import { EXPLICIT_PORTS, PRESSURE_MARK } from "../ports/marks.js";
import type { SocketView } from "../view.js";
import { Counts, PairIndex } from "./dense-index.js";
import { TupleCombiner } from "./tuple-combiner.js";

/** Maximum number of owners listed per row. */
const NAMED_OWNERS = 3;
/** Kinds of combined sockets. */
const IS_TIME_WAIT = 1;
const IS_OUTSIDE = 2;

/**
 * Counts the outgoing sockets of each triple, which equals the number of source ports used, because each socket
 * needs a different port.
 */
export class Triples {
  /** Pairs of (destination, source address), by number. */
  readonly index = new PairIndex();
  readonly inUse = new Counts();
  outgoing = 0;
  /** Number of triples, excluding those left out. */
  distinct = 0;
  private readonly destinations = new PairIndex();
  private readonly timeWait = new Counts();
  private readonly outside = new Counts();
  /** Local port of each triple's first socket. */
  private readonly firstPort = new Counts();
  private readonly addresses: AddressIndex;
  private readonly listening: ListenerSet;
  private readonly range: PortRange;
  private readonly owners: ScannedOwners | undefined;
  /** Pairs of (triple, process), and the number of sockets of each. */
  private readonly held = new PairIndex();
  private readonly heldSockets = new Counts();
  private readonly sources = new Counts();
  private readonly combiner = new TupleCombiner((localIpv4, remoteIpv4, port, kind, localPort, sockets) => {
    const { addresses } = this;
    this.count(addresses.ofIpv4(localIpv4), addresses.ofIpv4(remoteIpv4), port, kind, localPort, sockets);
  });

  /** @param owners if undefined, rows have no owners */
  constructor(addresses: AddressIndex, listening: ListenerSet, range: PortRange, owners?: ScannedOwners) {
    this.addresses = addresses;
    this.listening = listening;
    this.range = range;
    this.owners = owners;
  }

  /** Returns whether connections were opened from this address. */
  hasSource(sourceId: number): boolean {
    return this.sources.get(sourceId) > 0;
  }

  add(socket: SocketView): void {
    const { localIpv4, remoteIpv4, localPort } = socket;
    const kind = this.kindOf(socket);
    if (localIpv4 >= 0 && remoteIpv4 >= 0 && !this.owners) {
      if (this.listening.hasAcceptedIpv4(socket, localIpv4)) return;
      this.combiner.add(localIpv4, remoteIpv4, socket.remotePort, kind, localPort);
      return;
    }
    const sourceId = this.addresses.local(socket);
    if (this.listening.hasAccepted(socket, sourceId)) return;
    const id = this.count(sourceId, this.addresses.remote(socket), socket.remotePort, kind, localPort, 1);
    if (this.owners) this.heldSockets.add(this.held.idOf(id, this.owners.processOf(socket.inode)));
  }

  /** Counts sockets of a group (sources/groups.ts), whose source ports are all within the range or all outside. */
  addGroup(socket: SocketView, sockets: number): void {
    const sourceId = this.addresses.local(socket);
    if (this.listening.hasAccepted(socket, sourceId)) return;
    const { localPort, remotePort } = socket;
    this.count(sourceId, this.addresses.remote(socket), remotePort, this.kindOf(socket), localPort, sockets);
  }

  private kindOf({ state, localPort }: SocketView): number {
    const { first, last } = this.range;
    return (state === TCP_TIME_WAIT ? IS_TIME_WAIT : 0) | (localPort < first || localPort > last ? IS_OUTSIDE : 0);
  }

  /** @returns number of the triple */
  private count(
    sourceId: number,
    remoteId: number,
    remotePort: number,
    kind: number,
    localPort: number,
    sockets: number,
  ): number {
    this.outgoing += sockets;
    this.sources.add(sourceId, sockets);
    const id = this.index.idOf(this.destinations.idOf(remoteId, remotePort), sourceId);
    if (this.inUse.get(id) === 0) this.firstPort.set(id, localPort);
    this.inUse.add(id, sockets);
    if ((kind & IS_TIME_WAIT) !== 0) this.timeWait.add(id, sockets);
    if ((kind & IS_OUTSIDE) !== 0) this.outside.add(id, sockets);
    return id;
  }

  /**
   * Excludes sockets of servers that have stopped listening. Such a server shows as one local endpoint with many
   * peers, whose ports are higher than its own. A client's port may also lead to several destinations, but then
   * the destinations' ports are lower.
   */
  leaveOutServers(): void {
    this.combiner.flush();
    const { size } = this.index;
    const endpoints = new PairIndex();
    const peers = new Counts();
    const endpointOf = (id: number) => endpoints.idOf(this.index.second(id), this.firstPort.get(id));
    const isLone = (id: number) =>
      this.inUse.get(id) === 1 && this.firstPort.get(id) < this.destinations.second(this.index.first(id));
    for (let id = 0; id < size; id++) if (isLone(id)) peers.add(endpointOf(id));
    this.distinct = size;
    for (let id = 0; id < size; id++) {
      if (!isLone(id) || peers.get(endpointOf(id)) === 1) continue;
      this.inUse.set(id, 0);
      this.outgoing--;
      this.distinct--;
    }
  }

  /** Compares triples of equal rank, by destination and then source. */
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
    const inUse = this.inUse.get(id);
    const capacity = this.capacity(id, kernelCapacity);
    return {
      sourceIp: this.addresses.text(this.index.second(id)),
      destinationIp: this.addresses.text(this.destinations.first(destination)),
      destinationPort: this.destinations.second(destination),
      inUse,
      timeWait: this.timeWait.get(id),
      outsideRange: this.outside.get(id),
      pool: this.isKernelChosen(id, kernelCapacity) ? "ip_local_port_range" : "1024-65535",
      capacity,
      left: Math.max(0, capacity - inUse),
      share: inUse / capacity,
      isMarked: inUse / capacity >= PRESSURE_MARK,
      ...(this.owners && { owners: this.ownersOf(id, this.owners) }),
    };
  }

  private ownersOf(id: number, owners: ScannedOwners): PressureOwner[] {
    const pairs: number[] = [];
    for (let pair = 0; pair < this.held.size; pair++) if (this.held.first(pair) === id) pairs.push(pair);
    pairs.sort((a, b) => this.heldSockets.get(b) - this.heldSockets.get(a));
    return pairs.slice(0, NAMED_OWNERS).map((pair) => {
      const pid = owners.processes[this.held.second(pair)];
      return { pid, command: pid === undefined ? undefined : owners.command(pid), inUse: this.heldSockets.get(pair) };
    });
  }

  /**
   * If more ports are used than the kernel can choose from, some were bound explicitly even if all are within the
   * range.
   */
  private isKernelChosen(id: number, kernelCapacity: number): boolean {
    return this.outside.get(id) === 0 && this.inUse.get(id) <= kernelCapacity;
  }
}
