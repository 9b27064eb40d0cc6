// Records: state that a connection needs while it has a timer, or unacknowledged or unread bytes. An idle connection
// has no record.
import { ByteQueues } from "./byte-queues.js";
import { type Connections, grown, RECORD } from "./connections.js";
import { Timers } from "./timers.js";

const FIRST_RECORDS = 256;
const NONE = -1;
/** Number of segments sent before the first acknowledgement (RFC 6928). */
export const INITIAL_CWND = 10;
const MOST_SEGMENTS = 0xffff;

/** The state of each record, indexed by its number. */
export class Records {
  /** Number of the connection. */
  owner = new Int32Array(0);
  /** SND.UNA, SND.NXT, and the highest SND.NXT so far, below which SND.NXT falls after a timeout. */
  sndUna = new Uint32Array(0);
  sndNxt = new Uint32Array(0);
  sndMax = new Uint32Array(0);
  /** Retransmissions and probes since the last acknowledgement. */
  retries = new Uint8Array(0);
  duplicateAcks = new Uint8Array(0);
  /** Congestion window and slow start threshold, in segments. */
  cwnd = new Uint16Array(0);
  ssthresh = new Uint16Array(0);
  /** Number of segments acknowledged since the window last grew by one. */
  credit = new Uint16Array(0);
  /** SND.NXT when a loss was last detected. Recovery lasts until that number is acknowledged. */
  recover = new Uint32Array(0);
  /** Sequence number whose acknowledgement is being timed, and when it was sent; 0 if none is. */
  timedSeq = new Uint32Array(0);
  timedMs = new Uint32Array(0);
  /** errno of an ICMP message about the connection, which explains a timeout. */
  softError = new Uint8Array(0);
  /** Segment size that the peer's SYN has announced. */
  peerMss = new Uint16Array(0);
  /** Bytes from SND.UNA. */
  readonly unsent = new ByteQueues();
  /** Bytes that the role has not read. */
  readonly unread = new ByteQueues();
  readonly timers = new Timers();
  /** Number of records in use. */
  used = 0;
  private readonly free: number[] = [];
  private end = 0;
  private readonly connections: Connections;

  constructor(connections: Connections) {
    this.connections = connections;
  }

  /** Returns the record of a connection, or -1. */
  of(id: number): number {
    const { connections } = this;
    return connections.flags[id]! & RECORD ? connections.sndNxt[id]! : NONE;
  }

  /** Returns the record of a connection, and creates it if there is none. */
  need(id: number): number {
    const { connections } = this;
    if (connections.flags[id]! & RECORD) return connections.sndNxt[id]!;
    const record = this.take();
    this.owner[record] = id;
    const next = connections.sndNxt[id]!;
    this.sndUna[record] = this.sndNxt[record] = this.sndMax[record] = next;
    this.retries[record] = this.duplicateAcks[record] = this.softError[record] = 0;
    this.cwnd[record] = INITIAL_CWND;
    this.ssthresh[record] = MOST_SEGMENTS;
    this.credit[record] = this.timedMs[record] = 0;
    this.recover[record] = next;
    connections.sndNxt[id] = record;
    connections.add(id, RECORD);
    return record;
  }

  /** Frees the record of a connection, which retains its SND.NXT. */
  release(id: number): void {
    const { connections } = this;
    if ((connections.flags[id]! & RECORD) === 0) return;
    const record = connections.sndNxt[id]!;
    this.timers.cancel(record);
    this.unsent.clear(record);
    this.unread.clear(record);
    connections.sndNxt[id] = this.sndNxt[record]!;
    connections.remove(id, RECORD);
    this.free.push(record);
    this.used--;
  }

  private take(): number {
    this.used++;
    const freed = this.free.pop();
    if (freed !== undefined) return freed;
    if (this.end === this.owner.length) this.grow(Math.max(FIRST_RECORDS, this.end * 2));
    return this.end++;
  }

  private grow(count: number): void {
    this.owner = grown(this.owner, new Int32Array(count));
    this.sndUna = grown(this.sndUna, new Uint32Array(count));
    this.sndNxt = grown(this.sndNxt, new Uint32Array(count));
    this.sndMax = grown(this.sndMax, new Uint32Array(count));
    this.retries = grown(this.retries, new Uint8Array(count));
    this.duplicateAcks = grown(this.duplicateAcks, new Uint8Array(count));
    this.cwnd = grown(this.cwnd, new Uint16Array(count));
    this.ssthresh = grown(this.ssthresh, new Uint16Array(count));
    this.credit = grown(this.credit, new Uint16Array(count));
    this.recover = grown(this.recover, new Uint32Array(count));
    this.timedSeq = grown(this.timedSeq, new Uint32Array(count));
    this.timedMs = grown(this.timedMs, new Uint32Array(count));
    this.peerMss = grown(this.peerMss, new Uint16Array(count));
    this.softError = grown(this.softError, new Uint8Array(count));
    this.unsent.resize(count);
    this.unread.resize(count);
    this.timers.resize(count);
  }
}
