// The state of a worker's TCP: its connections and their records, clock, counters and limits. stack.ts feeds packets to
// it; the modules in between implement the protocol.
import { randomBytes } from "node:crypto";
import type { NativeBuffer } from "../../../linux/syscalls/libc.js";
import { ICMP_KINDS } from "../../../results/identifiers.js";
import { SlotQueue } from "../../slot-queue.js";
import { DelayedAcks } from "../delayed-acks.js";
import type { PacketDevice } from "../devices/device.js";
import { ACK_DELAYED, ACK_DUE, BLOCKED, Connections, TCP } from "./connections.js";
import { type Endpoints, UNKNOWN } from "./endpoints.js";
import { Records } from "./records.js";
import { RoundTrips } from "./round-trips.js";
import { ipHeaderBytes, Segment, TCP_HEADER } from "./segment.js";

/** Events of a stack, reported only while it handles a packet or a timer. Connections are identified by slot. */
export interface StackEvents {
  /**
   * A peer's SYN has arrived at an address of this side that has no such connection.
   *
   * @returns the connection's number, UNKNOWN to refuse the SYN, or DROPPED to ignore it
   */
  arriving(): number;
  established(slot: number): void;
  /** @returns number of bytes taken; the rest waits in the stack */
  received(slot: number, buffer: NativeBuffer, offset: number, length: number): number;
  /** Bytes are waiting in the stack. */
  queued(slot: number): void;
  /** A connection whose queue was full can send again. */
  sent(slot: number): void;
  /** The peer has sent FIN, and all data before it has been reported. */
  ended(slot: number): void;
  /** The connection no longer exists, for the given reason. */
  failed(slot: number, errno: number): void;
}

/** Result of arriving(): there is no room, so the SYN is ignored and the peer may try again. */
export const DROPPED = -2;

const NO_BUFFER = { bytes: Buffer.alloc(0), address: 0 } as NativeBuffer;
/** Maximum number of challenge ACKs per turn. */
export const CHALLENGES_PER_TURN = 256;
/**
 * Minimum time between two answers to segments of a connection that have no data and are out of the window
 * (tcp_invalid_ratelimit), so that two sides that disagree do not answer each other for ever.
 */
const ANSWER_MS = 500;
/** Connections share this many entries, so the memory does not grow with their number. */
const ANSWERS = 4096;
/** ISNs grow by one every 4 µs (RFC 6528). */
const ISN_PER_MS = 250;

export class TcpState {
  readonly connections: Connections;
  readonly records: Records;
  readonly roundTrips = new RoundTrips();
  readonly segment = new Segment();
  readonly endpoints: Endpoints;
  readonly device: PacketDevice;
  readonly events: StackEvents;
  /** Connections that are blocked although they have no queued bytes themselves. */
  readonly starved = new SlotQueue();
  readonly counters = {
    receivedPackets: 0,
    sentPackets: 0,
    malformed: 0,
    badChecksums: 0,
    otherPackets: 0,
    strays: 0,
    /** Counted when the role closes all connections. */
    unacknowledged: 0,
    challenges: 0,
    earlierConnections: 0,
    repeatedSyns: 0,
    retransmitted: 0,
    probes: 0,
    probed: 0,
    outOfOrder: 0,
    repeated: 0,
  };
  /** Number of ICMP errors by ICMP_KINDS. */
  readonly icmp = new Float64Array(ICMP_KINDS.length);
  /** Milliseconds since the stack began, as of the last setClock(). */
  nowMs = 0;
  challengesLeft = CHALLENGES_PER_TURN;
  timeWaits = 0;
  /** Largest segment size to announce, and the largest that the path takes. */
  readonly mss: number;
  private pathMss: number;
  /** Memory of the packet being handled. */
  buffer: NativeBuffer = NO_BUFFER;
  protected readonly delayedAcks: DelayedAcks | undefined;
  protected acksDue = new Int32Array(64);
  protected acksDueCount = 0;
  protected readonly startMs = performance.now();
  /** Which connection was last answered, and when. */
  private readonly answered = new Int32Array(ANSWERS).fill(UNKNOWN);
  private readonly answeredMs = new Float64Array(ANSWERS);
  private readonly secret = randomBytes(4).readUInt32LE();

  constructor(slots: number, device: PacketDevice, endpoints: Endpoints, events: StackEvents, delaysAcks: boolean) {
    this.connections = new Connections(slots);
    this.connections.onMove = (from, to) => this.renumbered(from, to);
    this.records = new Records(this.connections);
    this.device = device;
    this.endpoints = endpoints;
    this.events = events;
    this.delayedAcks = delaysAcks ? new DelayedAcks() : undefined;
    this.mss = this.pathMss = device.mtu - ipHeaderBytes(endpoints.family) - TCP_HEADER;
  }

  /** @param nowMs milliseconds on the clock of performance.now() */
  setClock(nowMs: number): void {
    this.nowMs = Math.floor(nowMs - this.startMs);
  }

  /** Returns the number of the connection that the segment belongs to, or UNKNOWN. */
  find(): number {
    const { segment, endpoints } = this;
    if (segment.family !== endpoints.family) return UNKNOWN;
    const { bytes, destinationAt, sourceAt, destinationPort, sourcePort } = segment;
    return endpoints.find(bytes, destinationAt, sourceAt, destinationPort, sourcePort);
  }

  /** Returns the initial sequence number of a 4-tuple that has the number `key`. */
  initialSequence(key: number): number {
    let x = key ^ this.secret;
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    return ((x ^ (x >>> 16)) + this.nowMs * ISN_PER_MS) >>> 0;
  }

  /** Returns the size of a connection's segments. */
  mssOf(id: number): number {
    return this.connections.mssOf(id, this.pathMss);
  }

  /**
   * Lowers the size of all segments, because the path takes no larger ones.
   * @returns whether the size was higher before
   */
  limitSegments(bytes: number): boolean {
    if (bytes >= this.pathMss) return false;
    this.pathMss = bytes;
    return true;
  }

  /** Returns whether a segment without data that is out of the window, or a challenge ACK in SYN-SENT, may be answered. */
  mayAnswer(id: number): boolean {
    const at = id % ANSWERS;
    if (this.answered[at] === id && this.nowMs - this.answeredMs[at]! < ANSWER_MS) return false;
    this.answered[at] = id;
    this.answeredMs[at] = this.nowMs;
    return true;
  }

  /** Acknowledges at the end of the turn, unless data sent until then carries the ACK. */
  oweAck(id: number): void {
    if (this.connections.has(id, ACK_DUE)) return;
    this.connections.add(id, ACK_DUE);
    this.queueAck(id);
  }

  /** Acknowledges a segment with data: later, if ACKs are delayed and none of this connection is yet. */
  acknowledge(id: number): void {
    const { connections, delayedAcks } = this;
    if (!delayedAcks || connections.has(id, ACK_DELAYED | ACK_DUE)) {
      this.oweAck(id);
      return;
    }
    connections.add(id, ACK_DELAYED);
    delayedAcks.push(id, this.nowMs);
  }

  private queueAck(id: number): void {
    if (this.acksDueCount === this.acksDue.length) {
      const longer = new Int32Array(this.acksDueCount * 2);
      longer.set(this.acksDue);
      this.acksDue = longer;
    }
    this.acksDue[this.acksDueCount++] = id;
  }

  /** Reports that a connection has failed, because its timer ran out or its peer reset it. */
  fail(id: number, errno: number): void {
    if (this.connections.isOrphan(id)) this.forget(id);
    else this.events.failed(id, errno);
  }

  /** Reports that the connection's queue has room again. */
  unblocked(id: number): void {
    this.connections.remove(id, BLOCKED);
    if (!this.connections.isOrphan(id)) this.events.sent(id);
  }

  /** Frees all resources of a connection except its slot. */
  forget(id: number): void {
    const { connections } = this;
    if (connections.state(id) === TCP.timeWait) this.timeWaits--;
    this.records.release(id);
    this.endpoints.ended(id);
    if (connections.isOrphan(id)) connections.giveOrphan(id);
    else connections.clear(id);
  }

  /** Called when an orphan's number changes. */
  private renumbered(from: number, to: number): void {
    if (this.connections.has(from, ACK_DUE)) this.queueAck(to);
    if (this.connections.has(from, ACK_DELAYED)) this.delayedAcks?.push(to, this.nowMs);
    const record = this.records.of(from);
    if (record >= 0) this.records.owner[record] = to;
    this.endpoints.moved(from, to);
  }
}
