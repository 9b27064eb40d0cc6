// Exchanges bytes over a client's connections. It hosts the protocol: sends what the protocol requests and passes
// answers on to be timed.

import { type HeartbeatCarrier, Heartbeats } from "../../engine/heartbeats.js";
import { scriptHostOf } from "../../engine/script/host.js";
import { Outgoing } from "../../engine/sending/outgoing.js";
import { type Sender, Unsent } from "../../engine/sending/unsent.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import { ENOBUFS } from "../../linux/syscalls/errno.js";
import { CODES, FAULT } from "../../protocols/codes.js";
import { grown } from "../../protocols/columns.js";
import { type ClientConnections, type ClientProtocol, REPLACEABLE } from "../../protocols/contract.js";
import { createClientProtocol } from "../../protocols/create.js";
import type { Rows } from "../../protocols/scripted/file/rows.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { exactShare } from "../../util/share.js";
import { STEP } from "../../util/steps.js";
import { Answers } from "../messages/answers.js";
import { ClosedLoop } from "../messages/closed-loop.js";
import { NONE, Rounds } from "../messages/rounds.js";
import { MessageSchedule } from "../messages/schedule.js";
import { type MessageCarrier, MessageSender } from "../messages/sender.js";
import { CLIENT_METRICS, COUNTER, HISTOGRAM } from "../metrics.js";
import { type ConnectPlan, SHARED } from "../worker-plan.js";
import type { Reopenings } from "./reopenings.js";

/** Maximum plausible delivery latency; longer ones are not recorded. */
const MAX_DELIVERY_US = 24 * 3600 * 1e6;

/** Owner of the connections. */
export interface ConnectionOwner {
  /** The protocol handshake is complete. */
  ready(slot: number): void;
  /** The protocol is done with the connection; the owner closes it. */
  close(slot: number): void;
  /** The peer refused the connection or this side did; the owner closes it and counts the code (protocols/codes.ts). */
  refused(slot: number, code: number): void;
  /** Reopens connections that the peer has closed; undefined if such connections count as lost. */
  readonly reopenings?: Reopenings | undefined;
  /** Bytes `start` to `end` of `bytes` are content. */
  shown(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** Returns whether the connection in `slot` is ready. */
  readonly isOpen: (slot: number) => boolean;
}

/** Counters of responses, from 1xx to 5xx. */
const RESPONSES = [
  COUNTER.responses1xx,
  COUNTER.responses2xx,
  COUNTER.responses3xx,
  COUNTER.responses4xx,
  COUNTER.responses5xx,
];

export class Exchange implements ClientConnections, MessageCarrier, HeartbeatCarrier {
  /** Undefined for a run without messages. */
  readonly messages: MessageSender | undefined;
  /** Undefined for a protocol without heartbeats. */
  readonly heartbeats: Heartbeats | undefined;
  private readonly owner: ConnectionOwner;
  private readonly memory: WorkerMemory;
  private readonly counters: Float64Array;
  private readonly resets: boolean;
  readonly protocol: ClientProtocol;
  private readonly outgoing: Outgoing;
  private readonly rounds: Rounds | undefined;
  private readonly answers: Answers | undefined;
  /** Whether a connection's next message may have to wait for the previous answer. */
  readonly alternates: boolean;
  readonly gathers: boolean;
  begunBytes = 0;
  private readonly schedule: MessageSchedule | undefined;
  /** Whether messages follow each other's answers rather than a schedule. */
  private readonly isClosedLoop: boolean;
  private readonly plan: ConnectPlan;
  /** Number of connections opened so far, not counting reopened ones. */
  private opens = 0;
  private readonly deliveries: Histogram;
  private readonly rows: Rows | undefined;
  /**
   * By slot: 1 if the connection is to be closed once its bytes are sent. Grows to the highest slot that had to wait.
   */
  private ending = new Uint8Array(0);
  /** Bytes sent by the protocol during the current call of due() or resume(), or a negative errno. */
  private sentBytes = 0;

  /**
   * @param slots number of slots that can ever be in use
   * @param create creates the protocol
   */
  constructor(
    sender: Sender,
    plan: ConnectPlan,
    memory: WorkerMemory,
    slots: number,
    owner: ConnectionOwner,
    create = createClientProtocol,
  ) {
    const { message, opening, protocol, reopens } = plan;
    this.owner = owner;
    this.plan = plan;
    this.memory = memory;
    this.counters = memory.counters;
    this.resets = plan.reset;
    this.deliveries = memory.histograms[HISTOGRAM.deliveryUs]!;
    const shared = new Int32Array(plan.shared);
    const nextNumber = () => Atomics.add(shared, SHARED.numbered, 1) + 1;
    const scriptHost = scriptHostOf(plan, memory, CLIENT_METRICS.layout, nextNumber);
    this.rows = scriptHost?.rows;
    this.protocol = create(this, { message, opening, slots, protocol, nextNumber, reopens, scriptHost });
    this.outgoing = new Outgoing(sender, this.protocol.constants, new Unsent(shared, SHARED.unsentChunks));
    this.isClosedLoop = message !== undefined && message.intervalMs === undefined;
    this.alternates = this.isClosedLoop || this.protocol.isBusy !== undefined;
    this.gathers = this.protocol.gathers === true;
    const { heartbeatMs } = this.protocol;
    if (heartbeatMs > 0) this.heartbeats = new Heartbeats(this, heartbeatMs, performance.now());
    if (!message) return;
    const nowMs = performance.now();
    const { intervalMs } = message;
    const schedule =
      intervalMs === undefined ? new ClosedLoop(nowMs) : new MessageSchedule(nowMs, intervalMs, plan.share);
    this.schedule = schedule;
    this.rounds = new Rounds(slots, this.protocol.isAnswered, message.total !== undefined);
    this.answers = new Answers(this.rounds, schedule, message, memory);
    this.messages = new MessageSender(this, this.rounds, schedule, memory);
  }

  /** A new connection occupies `slot`. */
  opened(slot: number): void {
    this.messages?.opened(slot, this.nextShare());
    this.protocol.opened(slot);
    if (this.protocol.beginsWithMessage) this.messages!.sendFirst(slot);
  }

  /** The connection in `slot` has been reopened. */
  reopened(slot: number): void {
    this.protocol.opened(slot);
    this.messages!.reopened(slot);
  }

  /** The connection in `slot` can be used for messages. */
  started(slot: number): void {
    this.messages?.ready(slot);
  }

  /** Handles received bytes `start` to `end` of `bytes`. */
  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.protocol.received(slot, bytes, start, end);
    if (this.alternates) this.messages?.resume(slot);
  }

  /**
   * The peer has sent FIN.
   * @returns the code under which the loss is counted, or AS_ASKED if it is no loss
   */
  peerClosed(slot: number, isUnannounced: boolean): number {
    return this.protocol.peerClosed?.(slot, isUnannounced) ?? 0;
  }

  /**
   * The peer has reset the connection.
   * @returns 0 if it is lost, or one of REPLACEABLE
   */
  peerReset(slot: number): number {
    return this.protocol.peerReset?.(slot) ?? 0;
  }

  /**
   * The connection in `slot` has ended and will be reopened for its next message.
   * @param cause one of REPLACEABLE
   */
  vacated(slot: number, cause: number): void {
    const unanswered = this.unanswered(slot);
    if (cause === REPLACEABLE.cutShort) this.memory.countFailure(STEP.response, FAULT.CUT_SHORT);
    if (cause === REPLACEABLE.unrepeated) this.counters[COUNTER.unrepeatedRequests]! += unanswered;
    if (cause === REPLACEABLE.cutShort || cause === REPLACEABLE.unrepeated) this.missed(slot, unanswered);
    this.protocol.closed(slot);
    this.outgoing.drop(slot);
    this.messages!.vacated(slot);
  }

  /** The connection accepts bytes again. */
  sent(slot: number): void {
    if (!this.messages?.resume(slot) && this.isBlocked(slot)) this.resume(slot);
    if (slot < this.ending.length && this.ending[slot] === 1 && !this.isBlocked(slot)) this.owner.close(slot);
  }

  /**
   * The connection in `slot` has ended.
   * @param isOurs whether this side closed it, in which case the peer owes no answers
   */
  ended(slot: number, isOurs: boolean): void {
    this.protocol.closed(slot);
    this.answers?.ended(slot, isOurs);
    this.outgoing.drop(slot);
    if (slot < this.ending.length) this.ending[slot] = 0;
  }

  /**
   * Called before this side closes the connection in `slot`. Lets the protocol send its last bytes, unless an RST would
   * discard them.
   */
  closing(slot: number): void {
    if (!this.resets) this.protocol.closing(slot);
  }

  /**
   * Ends the exchange for all connections below `end`.
   *
   * @param graceMs messages younger than this count as in flight rather than unanswered
   */
  finish(graceMs: number, end: number, isOpen: (slot: number) => boolean): void {
    for (let slot = 0; slot < end; slot++) {
      if (!isOpen(slot)) continue;
      this.closing(slot);
      this.protocol.closed(slot);
    }
    this.answers?.finish(graceMs);
  }

  /** Releases resources that are not tied to a connection. */
  dispose(): void {
    this.rows?.close();
  }

  due(slot: number, most: number): number {
    const { protocol, outgoing } = this;
    const rounds = this.rounds!;
    this.sentBytes = 0;
    if (most > 1 && outgoing.hasRoom) outgoing.gather();
    let begun = 0;
    do {
      protocol.due(slot);
      if (rounds.next[slot] === NONE) break;
      rounds.begin(slot);
      begun++;
      this.begunBytes = outgoing.gatheredBytes;
    } while (begun < most && outgoing.canGather(this.begunBytes / begun));
    this.count(outgoing.sendGathered(slot));
    return this.sentBytes;
  }

  repeat(slot: number): void {
    this.counters[COUNTER.repeatedRequests]! += 1;
    this.protocol.due(slot);
  }

  beat(slot: number): void {
    if (this.owner.isOpen(slot) && !this.isBlocked(slot)) this.protocol.beat(slot);
  }

  resume(slot: number): number {
    this.sentBytes = 0;
    this.count(this.outgoing.resume(slot));
    return Math.max(0, this.sentBytes);
  }

  isBusy(slot: number): boolean {
    if (!this.alternates) return false;
    const { reopenings } = this.owner;
    if (reopenings?.isClosed(slot)) {
      reopenings.want(slot);
      return true;
    }
    if (this.isClosedLoop && this.rounds!.unanswered(slot) > 0) return true;
    return this.protocol.isBusy?.(slot) === true;
  }

  isBlocked(slot: number): boolean {
    return this.outgoing.isSending(slot);
  }

  sendConstant(slot: number, place: number): void {
    this.count(this.outgoing.sendConstant(slot, place));
  }

  send(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const sent = this.outgoing.sendCopy(slot, bytes, start, end);
    this.count(sent);
    // The unsent rest is gone, so the peer could not parse what follows.
    if (sent === -ENOBUFS) this.owner.refused(slot, ENOBUFS);
  }

  ready(slot: number): void {
    this.owner.ready(slot);
  }

  refused(slot: number, code: number): void {
    this.owner.refused(slot, code);
  }

  close(slot: number): void {
    if (!this.isBlocked(slot)) {
      this.owner.close(slot);
      return;
    }
    if (slot >= this.ending.length) this.ending = grown(this.ending, slot);
    this.ending[slot] = 1;
  }

  responded(slot: number, status: number, retryAfterSec: number): void {
    const { counters } = this;
    counters[RESPONSES[Math.floor(status / 100) - 1] ?? COUNTER.responses5xx]! += 1;
    if (status < 400) return;
    if (this.owner.isOpen(slot)) this.memory.countFailure(STEP.response, CODES.http + status);
    const isLimit = status === 429 || status === 503;
    if (isLimit && retryAfterSec * 1000 > counters[COUNTER.retryAfterMs]!) {
      counters[COUNTER.retryAfterMs] = retryAfterSec * 1000;
    }
  }

  beaten(_slot: number): void {
    this.counters[COUNTER.sentHeartbeats]! += 1;
  }

  alive(_slot: number): void {
    this.counters[COUNTER.answeredHeartbeats]! += 1;
  }

  ponged(_slot: number): void {
    this.counters[COUNTER.receivedHeartbeats]! += 1;
  }

  shown(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.owner.shown(slot, bytes, start, end);
  }

  answered(slot: number, count: number): void {
    this.answers?.answered(slot, count);
  }

  missed(slot: number, count: number): void {
    this.answers?.missed(slot, count);
  }

  closes(slot: number): void {
    this.owner.reopenings?.announced(slot);
  }

  declined(_slot: number, code: number): void {
    this.memory.countFailure(STEP.receive, code);
  }

  dueUs(slot: number): number {
    return (performance.timeOrigin + this.schedule!.dueMs(this.rounds!.next[slot]!, slot)) * 1000;
  }

  delivered(dueUs: number): void {
    this.counters[COUNTER.receivedMessages]! += 1;
    const latencyUs = (performance.timeOrigin + performance.now()) * 1000 - dueUs;
    if (latencyUs < MAX_DELIVERY_US) this.deliveries.record(Math.max(0, latencyUs));
  }

  undelivered(count: number): void {
    this.counters[COUNTER.lostMessages]! += count;
  }

  repeated(): void {
    this.counters[COUNTER.repeatedMessages]! += 1;
  }

  unanswered(slot: number): number {
    return this.rounds?.unanswered(slot) ?? 0;
  }

  isSending(slot: number): boolean {
    return this.rounds !== undefined && this.rounds.partial(slot) > 0;
  }

  unexpected(bytes: number): void {
    this.counters[COUNTER.unsolicitedBytes]! += bytes;
  }

  mismatched(bytes: number): void {
    this.counters[COUNTER.wrongBytes]! += bytes;
  }

  /** Returns how many messages the next connection may send; 0 for no limit. */
  private nextShare(): number {
    const { message, connections, earlier } = this.plan;
    return message?.total === undefined ? 0 : exactShare(message.total, connections, earlier + this.opens++);
  }

  /**
   * @param sent bytes sent, or a negative errno; the end of the connection is reported and counted by a separate event
   */
  private count(sent: number): void {
    if (sent < 0) {
      this.memory.countFailure(STEP.send, -sent);
      this.sentBytes = sent;
      return;
    }
    this.sentBytes += sent;
    this.counters[COUNTER.sentBytes]! += sent;
  }
}
