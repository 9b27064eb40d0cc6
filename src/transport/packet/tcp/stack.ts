// A worker's TCP in user space (RFC 9293): takes packets from a device, finds their connections, and reports events to
// the transport above. One object per worker; handling a packet allocates nothing.
import type { NativeBuffer } from "../../../linux/syscalls/libc.js";
import type { PacketSink } from "../devices/device.js";
import { ACK_DELAYED, ACK_DUE, BLOCKED, STATE, TCP } from "./connections.js";
import { UNKNOWN } from "./endpoints.js";
import { answerSyn, arrivedInSynReceived, arrivedInSynSent, repeatHandshake } from "./handshake.js";
import { icmpArrived } from "./icmp.js";
import { refuse, sendAck } from "./output.js";
import { segmentArrived } from "./receiving.js";
import { FLAG, PACKET } from "./segment.js";
import { retransmit } from "./sending.js";
import { CHALLENGES_PER_TURN, DROPPED, TcpState } from "./tcp-state.js";

/**
 * Number of packets to wait for at once: one for every 64 connections that expect an answer, so that the answers to a
 * moderate number of messages are not delayed.
 */
const AWAITED_SHIFT = 6;
const MOST_AWAITED = 64;
/** Longest wait for further packets. */
const GATHERING_MS = 0.5;

export class Stack extends TcpState implements PacketSink {
  /** Number of packets received when the last wait began. */
  private receivedBefore = 0;

  /** Sets the clock, sends the ACKs that no data has carried, and handles expired timers. */
  beginTurn(nowMs: number): void {
    this.setClock(nowMs);
    this.challengesLeft = CHALLENGES_PER_TURN;
    this.sendAcks();
    const { timers } = this.records;
    for (let record = timers.expired(this.nowMs); record >= 0; record = timers.expired(this.nowMs))
      this.expired(record);
    for (let left = this.starved.length; left > 0 && this.records.unsent.hasRoom; left--) {
      const id = this.starved.shift();
      if (this.connections.has(id, BLOCKED)) this.unblocked(id);
    }
  }

  /** Returns how long the stack can wait for packets. */
  waitMs(nowMs: number): number {
    if (this.acksDueCount > 0) return 0;
    const sinceStartMs = nowMs - this.startMs;
    const untilAck = this.delayedAcks?.untilNextMs(sinceStartMs) ?? Number.POSITIVE_INFINITY;
    const untilTimer = Math.min(untilAck, this.records.timers.untilNextMs(sinceStartMs));
    return this.starved.length > 0 ? Math.min(untilTimer, 10) : untilTimer;
  }

  /**
   * Sends everything pushed so far, and waits for packets. While many connections expect an answer, waits for several
   * packets, for a moment: waking up for each of them would take more CPU time than handling it.
   */
  wait(waitMs: number): void {
    const { counters, records } = this;
    const least = Math.min(MOST_AWAITED, records.used >>> AWAITED_SHIFT);
    // Peers that do not answer at all must not keep this thread awake.
    const areAnswering = counters.receivedPackets > this.receivedBefore;
    this.receivedBefore = counters.receivedPackets;
    if (areAnswering && least > 1) this.device.wait(Math.min(waitMs, GATHERING_MS), least);
    else this.device.wait(waitMs, 1);
  }

  packet(buffer: NativeBuffer, at: number, length: number, isTrusted: boolean): void {
    const { segment, counters } = this;
    counters.receivedPackets++;
    this.buffer = buffer;
    const kind = segment.read(buffer.bytes, at, length, isTrusted);
    if (kind === PACKET.tcp) this.arrived();
    else if (kind === PACKET.icmp) icmpArrived(this, segment);
    else if (kind === PACKET.malformed) counters.malformed++;
    else if (kind === PACKET.badChecksum) counters.badChecksums++;
    else counters.otherPackets++;
  }

  private arrived(): void {
    const { segment, connections } = this;
    const id = this.find();
    const state = id < 0 ? TCP.closed : connections.flags[id]! & STATE;
    if (state === TCP.synSent) arrivedInSynSent(this, id, segment);
    else if (state === TCP.synReceived) arrivedInSynReceived(this, id, segment);
    else if (state === TCP.timeWait && this.isNewer(id)) {
      this.forget(id);
      this.arrivedUnknown();
    } else if (state !== TCP.closed) segmentArrived(this, id, segment);
    else this.arrivedUnknown();
  }

  /** Returns whether a SYN in TIME_WAIT begins a new connection (RFC 9293, 3.10.7.4). */
  private isNewer(id: number): boolean {
    const { flags, seq } = this.segment;
    return (flags & (FLAG.syn | FLAG.ack)) === FLAG.syn && ((seq - this.connections.rcvNxt[id]!) | 0) > 0;
  }

  private arrivedUnknown(): void {
    const { segment } = this;
    const isSyn = (segment.flags & (FLAG.syn | FLAG.ack | FLAG.rst)) === FLAG.syn;
    const id = isSyn ? this.events.arriving() : UNKNOWN;
    if (id >= 0) answerSyn(this, id, id);
    else if (id !== DROPPED) refuse(this, segment);
  }

  private sendAcks(): void {
    for (let n = 0; n < this.acksDueCount; n++) {
      const id = this.acksDue[n]!;
      if (this.connections.has(id, ACK_DUE)) sendAck(this, id);
    }
    this.acksDueCount = 0;
    const { delayedAcks } = this;
    if (!delayedAcks) return;
    for (let id = delayedAcks.expired(this.nowMs); id >= 0; id = delayedAcks.expired(this.nowMs)) {
      if (this.connections.has(id, ACK_DELAYED)) sendAck(this, id);
    }
  }

  private expired(record: number): void {
    const id = this.records.owner[record]!;
    const state = this.connections.state(id);
    if (state === TCP.synSent || state === TCP.synReceived) repeatHandshake(this, id, record);
    else if (state === TCP.finWait2 || state === TCP.timeWait) this.forget(id);
    else retransmit(this, id, record);
  }
}
