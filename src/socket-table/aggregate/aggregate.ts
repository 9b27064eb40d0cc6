// Groups sockets by integers in a single pass, without allocating an object, string or boxed number per socket.

import { TCP_ESTABLISHED, TCP_LISTEN, TCP_STATES } from "../../linux/syscalls/constants.js";
import type {
  AcceptedRow,
  DestinationRow,
  MemorySummary,
  PortRow,
  SocketTable,
} from "../../results/sockets/socket-table.js";
import type { AddressIndex } from "../addresses.js";
import type { ListenerSet } from "../listeners/listeners.js";
import type { SocketView } from "../view.js";
import { Counts, topIds, topIndexes } from "./dense-index.js";
import { Endpoints } from "./endpoint-counts.js";
import { TupleCombiner } from "./tuple-combiner.js";

const PORTS = 65_536;
/** What TupleCombiner must keep apart: the state, and whether the socket was accepted. */
const STATE = 0xff;
const IS_ACCEPTED = 0x100;
/** Indices of SK_MEMINFO_*. */
const RECEIVE_ALLOC = 0;
const SEND_QUEUED = 5;
const FORWARD_ALLOC = 4;

type Grouped = Pick<
  SocketTable,
  | "byFamily"
  | "byState"
  | "byLocalPort"
  | "byLocalAddress"
  | "byPeer"
  | "accepted"
  | "byDestination"
  | "incoming"
  | "outgoing"
>;

/** Totals over all added sockets. */
export class Aggregate {
  /** Number of sockets added, including listeners. */
  sockets = 0;
  private readonly addresses: AddressIndex;
  private readonly listening: ListenerSet;
  private readonly states = new Int32Array(TCP_STATES.length + 4);
  private readonly localPorts = new Int32Array(PORTS);
  private readonly establishedPorts = new Int32Array(PORTS);
  private readonly locals = new Counts();
  private readonly peers = new Counts();
  private readonly accepted = new Endpoints();
  private readonly destinations = new Endpoints();
  private ipv4 = 0;
  private mapped = 0;
  private ipv6 = 0;
  private incoming = 0;
  private outgoing = 0;
  private readonly combiner = new TupleCombiner((localIpv4, remoteIpv4, port, kind, _, sockets) => {
    const localId = this.addresses.ofIpv4(localIpv4);
    const remoteId = this.addresses.ofIpv4(remoteIpv4);
    const state = kind & STATE;
    if ((kind & IS_ACCEPTED) !== 0) this.addAccepted(localId, port, remoteId, state, sockets);
    else this.addOpened(localId, remoteId, port, state, sockets);
  });
  private measured = { sockets: 0, charged: 0, receive: 0, send: 0, forward: 0, max: 0 };

  /** @param addresses index that `listening` was created with */
  constructor(addresses: AddressIndex, listening: ListenerSet) {
    this.addresses = addresses;
    this.listening = listening;
  }

  add(socket: SocketView): void {
    const { state, localPort } = socket;
    this.sockets++;
    this.states[state]!++;
    this.localPorts[localPort]!++;
    const { localIpv4, remoteIpv4, family } = socket;
    if (family === 4) this.ipv4++;
    else if (remoteIpv4 >= 0) this.mapped++;
    else this.ipv6++;
    if (state === TCP_LISTEN) return;
    if (state === TCP_ESTABLISHED) this.establishedPorts[localPort]!++;
    if (localIpv4 >= 0 && remoteIpv4 >= 0) {
      if (this.listening.hasAcceptedIpv4(socket, localIpv4))
        this.combiner.add(localIpv4, remoteIpv4, localPort, state | IS_ACCEPTED, localPort);
      else this.combiner.add(localIpv4, remoteIpv4, socket.remotePort, state, localPort);
      return;
    }
    const localId = this.addresses.local(socket);
    const remoteId = this.addresses.remote(socket);
    if (this.listening.hasAccepted(socket, localId)) this.addAccepted(localId, localPort, remoteId, state, 1);
    else this.addOpened(localId, remoteId, socket.remotePort, state, 1);
  }

  /** Counts sockets of a group (sources/groups.ts), except by local port. */
  addGroup(socket: SocketView, sockets: number): void {
    const { state, remoteIpv4, family } = socket;
    this.sockets += sockets;
    this.states[state]! += sockets;
    if (family === 4) this.ipv4 += sockets;
    else if (remoteIpv4 >= 0) this.mapped += sockets;
    else this.ipv6 += sockets;
    const localId = this.addresses.local(socket);
    const remoteId = this.addresses.remote(socket);
    if (this.listening.hasAccepted(socket, localId))
      this.addAccepted(localId, socket.localPort, remoteId, state, sockets);
    else this.addOpened(localId, remoteId, socket.remotePort, state, sockets);
  }

  /**
   * Adds numbers of grouped sockets by local port.
   *
   * @param others those in states other than ESTABLISHED
   */
  addPorts(established: Uint32Array, others: Uint32Array): void {
    const { localPorts, establishedPorts } = this;
    for (let port = 0; port < PORTS; port++) {
      localPorts[port]! += established[port]! + others[port]!;
      establishedPorts[port]! += established[port]!;
    }
  }

  private addAccepted(localId: number, localPort: number, remoteId: number, state: number, sockets: number): void {
    this.locals.add(localId, sockets);
    this.peers.add(remoteId, sockets);
    this.incoming += sockets;
    this.accepted.add(localId, localPort, remoteId, state, sockets);
  }

  private addOpened(localId: number, remoteId: number, remotePort: number, state: number, sockets: number): void {
    this.locals.add(localId, sockets);
    this.peers.add(remoteId, sockets);
    this.outgoing += sockets;
    this.destinations.add(remoteId, remotePort, localId, state, sockets);
  }

  addWithMemory(socket: SocketView): void {
    this.add(socket);
    // The kernel reports no memory for TIME_WAIT sockets and requests in the SYN queue, which are not full sockets. A
    // listener has no buffers and would only lower the mean.
    if (socket.state === TCP_LISTEN || socket.memoryValue(1) === 0) return;
    const charged = socket.chargedBytes;
    const { measured } = this;
    measured.sockets++;
    measured.charged += charged;
    measured.receive += socket.memoryValue(RECEIVE_ALLOC);
    measured.send += socket.memoryValue(SEND_QUEUED);
    measured.forward += socket.memoryValue(FORWARD_ALLOC);
    if (charged > measured.max) measured.max = charged;
  }

  memory(): MemorySummary {
    const { sockets, charged, receive, send, forward, max } = this.measured;
    return {
      sockets,
      chargedBytes: charged,
      receiveAllocBytes: receive,
      sendQueuedBytes: send,
      forwardAllocBytes: forward,
      maxChargedBytes: max,
    };
  }

  /**
   * @param top number of rows in each ranking
   * @param endpointTop number of endpoints that accepted connections, and of destinations
   * @param withPorts whether to count and rank local ports
   */
  summary(top: number, endpointTop = top, withPorts = true): Grouped {
    this.combiner.flush();
    const named = TCP_STATES.map((name, state) => [name, this.states[state]!] as const);
    return {
      byFamily: { ipv4: this.ipv4, ipv6: this.ipv6, mapped: this.mapped },
      byState: Object.fromEntries(named.filter(([, count]) => count > 0)),
      byLocalPort: {
        distinct: withPorts ? countUsed(this.localPorts) : 0,
        top: topIndexes(this.localPorts, withPorts ? top : 0).map((port) => this.portRow(port)),
      },
      byLocalAddress: this.addressRanking(this.locals, top),
      byPeer: this.addressRanking(this.peers, top),
      accepted: this.ranking(this.accepted, endpointTop, (id) => this.acceptedRow(id)),
      byDestination: this.ranking(this.destinations, endpointTop, (id) => this.destinationRow(id)),
      incoming: this.incoming,
      outgoing: this.outgoing,
    };
  }

  /** Yields all local endpoints at which connections were accepted. */
  *acceptedRows(): Generator<AcceptedRow> {
    this.combiner.flush();
    for (let id = 0; id < this.accepted.index.size; id++) yield this.acceptedRow(id);
  }

  private portRow(port: number): PortRow {
    return {
      port,
      sockets: this.localPorts[port]!,
      established: this.establishedPorts[port]!,
      isListening: this.listening.ports[port] !== 0,
    };
  }

  private addressRanking(counts: Counts, top: number): SocketTable["byPeer"] {
    let distinct = 0;
    for (let id = 0; id < this.addresses.size; id++) if (counts.get(id) > 0) distinct++;
    const best = topIds(
      this.addresses.size,
      top,
      (id) => counts.get(id),
      (a, b) => this.addresses.compare(a, b),
    );
    return { distinct, top: best.map((id) => ({ ip: this.addresses.text(id), sockets: counts.get(id) })) };
  }

  private acceptedRow(id: number): AcceptedRow {
    const { index, sockets, established, others } = this.accepted;
    return {
      ip: this.addresses.text(index.first(id)),
      port: index.second(id),
      sockets: sockets.get(id),
      established: established.get(id),
      peers: others.get(id),
    };
  }

  private destinationRow(id: number): DestinationRow {
    const { index, sockets, established, timeWait, others } = this.destinations;
    return {
      ip: this.addresses.text(index.first(id)),
      port: index.second(id),
      sockets: sockets.get(id),
      established: established.get(id),
      timeWait: timeWait.get(id),
      sources: others.get(id),
    };
  }

  private ranking<Row>({ index, sockets }: Endpoints, top: number, row: (id: number) => Row) {
    const order = (a: number, b: number) =>
      this.addresses.compare(index.first(a), index.first(b)) || index.second(a) - index.second(b);
    return { distinct: index.size, top: topIds(index.size, top, (id) => sockets.get(id), order).map(row) };
  }
}

/** A plain loop: a short program runs it before it is compiled. */
function countUsed(ports: Int32Array): number {
  let used = 0;
  for (let port = 0; port < ports.length; port++) if (ports[port] !== 0) used++;
  return used;
}
