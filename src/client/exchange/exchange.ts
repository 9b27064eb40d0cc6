// Exchanges bytes over a client's connections. The exchange hosts the protocol: it sends the protocol's bytes, has its
// answers timed, and passes the connections' events to it.

import { FirstReads } from "../../engine/first-reads.js";
import { type HeartbeatCarrier, Heartbeats } from "../../engine/heartbeats.js";
import { scriptHostOf } from "../../engine/script/host.js";
import { PendingCloses } from "../../engine/sending/pending-closes.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import { FAULT, FIRST_CODE } from "../../protocols/codes.js";
import { type ClientConnections, type ClientProtocol, REPLACEABLE } from "../../protocols/contract.js";
import { createClientProtocol } from "../../protocols/create.js";
import type { Rows } from "../../protocols/scripted/file/rows.js";
import { ALERT_BYTES, isTlsAlert } from "../../protocols/tls-alert.js";
import type { Transport } from "../../transport/contract.js";
import { SLOT } from "../../transport/slot-state.js";
import { exactShare } from "../../util/share.js";
import { STEP } from "../../util/steps.js";
import { Answers } from "../messages/answers.js";
import { DeliveryAudit } from "../messages/delivery-audit.js";
import { makeSchedule } from "../messages/make-schedule.js";
import { Rounds } from "../messages/rounds.js";
import type { MessageSchedule } from "../messages/schedule.js";
import { MessageSender } from "../messages/sender.js";
import { CLIENT_METRICS, COUNTER } from "../metrics.js";
import { type ConnectPlan, SHARED } from "../worker-plan.js";
import type { ConnectionOwner } from "./connection-owner.js";
import { ProtocolCounts } from "./protocol-counts.js";
import { Sending } from "./sending.js";

export class Exchange extends ProtocolCounts implements ClientConnections, HeartbeatCarrier {
  /** Sends the messages; undefined for a run without messages. */
  readonly messages: MessageSender | undefined;
  /** Schedules the heartbeats; undefined for a protocol without heartbeats. */
  readonly heartbeats: Heartbeats | undefined;
  /** Undefined if the run's connections do not subscribe to what they publish. */
  readonly audit: DeliveryAudit | undefined;
  private readonly transport: Pick<Transport, "send" | "state">;
  private readonly owner: ConnectionOwner;
  private readonly resets: boolean;
  readonly protocol: ClientProtocol;
  private readonly sending: Sending;
  private readonly rounds: Rounds | undefined;
  private readonly answers: Answers | undefined;
  private readonly schedule: MessageSchedule | undefined;
  private readonly plan: ConnectPlan;
  /** Number of connections opened so far, not counting reopened ones. */
  private opens = 0;
  private readonly rows: Rows | undefined;
  private readonly pendingCloses = new PendingCloses();
  private readonly firstReads = new FirstReads();

  /**
   * @param slots number of slots that can ever be in use
   * @param create creates the protocol
   */
  constructor(
    transport: Pick<Transport, "send" | "state">,
    plan: ConnectPlan,
    memory: WorkerMemory,
    slots: number,
    owner: ConnectionOwner,
    create = createClientProtocol,
  ) {
    super(memory);
    const { message, opening, protocol, reopens, published } = plan;
    this.transport = transport;
    this.owner = owner;
    this.plan = plan;
    this.resets = plan.reset;
    const shared = new Int32Array(plan.shared);
    const nextNumber = () => Atomics.add(shared, SHARED.numbered, 1) + 1;
    const scriptHost = scriptHostOf(plan, memory, CLIENT_METRICS.layout, nextNumber);
    this.rows = scriptHost?.rows;
    this.protocol = create(this, { message, opening, slots, protocol, nextNumber, reopens, scriptHost, published });
    const { heartbeatMs } = this.protocol;
    if (heartbeatMs > 0) this.heartbeats = new Heartbeats(this, heartbeatMs, performance.now());
    if (message) this.rounds = new Rounds(slots, this.protocol.isAnswered, message.total !== undefined);
    this.sending = new Sending(transport, plan, memory, this.protocol, this.rounds, owner);
    if (!message || !this.rounds) return;
    const nowMs = performance.now();
    const schedule = makeSchedule(message, plan, nowMs);
    this.schedule = schedule;
    this.answers = new Answers(this.rounds, schedule, message, memory, owner.standstills);
    this.messages = new MessageSender(this.sending, this.rounds, schedule, memory);
    if (published) this.audit = new DeliveryAudit(this.protocol, this.answers, memory, shared);
  }

  /** Called when a new connection occupies `slot`. */
  opened(slot: number): void {
    this.firstReads.begin(slot);
    this.messages?.opened(slot, this.nextShare());
    this.protocol.opened(slot);
    if (this.protocol.beginsWithMessage) this.messages!.sendFirst(slot);
  }

  /** Called when the connection in `slot` has been reopened. */
  reopened(slot: number): void {
    this.firstReads.begin(slot);
    this.protocol.opened(slot);
    this.messages!.reopened(slot);
  }

  /** Called when the connection in `slot` can be used for messages. */
  started(slot: number): void {
    this.messages?.ready(slot);
  }

  /** Handles received bytes `start` to `end` of `bytes`. */
  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.plan.tls && this.firstReads.take(slot) && end - start === ALERT_BYTES && isTlsAlert(bytes, start)) {
      this.counters[COUNTER.tlsAlerts]! += 1;
    }
    this.protocol.received(slot, bytes, start, end);
    if (this.sending.alternates && !this.pendingCloses.has(slot)) this.messages?.resume(slot);
  }

  /**
   * Called when the peer has sent FIN.
   * @returns the code under which the loss is counted, or AS_ASKED if the close does not count as a loss
   */
  peerClosed(slot: number, isUnannounced: boolean): number {
    return this.protocol.peerClosed?.(slot, isUnannounced) ?? 0;
  }

  /**
   * Called when the peer has reset the connection.
   * @returns 0 if the connection counts as lost, or one of REPLACEABLE
   */
  peerReset(slot: number): number {
    return this.protocol.peerReset?.(slot) ?? 0;
  }

  /**
   * Called when the connection in `slot` has ended and will be reopened for its next message.
   * @param cause one of REPLACEABLE
   */
  vacated(slot: number, cause: number): void {
    const unanswered = this.unanswered(slot);
    if (cause === REPLACEABLE.cutShort) this.memory.countFailure(STEP.response, FAULT.CUT_SHORT);
    if (cause === REPLACEABLE.unrepeated) this.counters[COUNTER.unrepeatedRequests]! += unanswered;
    if (cause === REPLACEABLE.cutShort || cause === REPLACEABLE.unrepeated) this.missed(slot, unanswered);
    this.protocol.closed(slot);
    this.sending.drop(slot);
    this.messages!.vacated(slot);
  }

  /** Called when the connection accepts bytes again. */
  sent(slot: number): void {
    const { sending } = this;
    const isClosing = this.pendingCloses.has(slot);
    if (!this.messages?.resume(slot, isClosing) && sending.isBlocked(slot)) sending.resume(slot);
    if (this.pendingCloses.has(slot) && !sending.isBlocked(slot)) this.owner.close(slot);
  }

  /**
   * Called when the connection in `slot` has ended.
   * @param isOurs whether this side closed the connection, in which case missing answers are not held against the peer
   */
  ended(slot: number, isOurs: boolean): void {
    this.protocol.closed(slot);
    this.answers?.ended(slot, isOurs);
    this.sending.drop(slot);
    this.pendingCloses.end(slot);
  }

  /**
   * Called before this side closes the connection in `slot`. The protocol can send its last bytes, unless an RST would
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
    this.audit?.count();
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

  beat(slot: number): void {
    if (this.isOpen(slot) && !this.sending.isBlocked(slot)) this.protocol.beat(slot);
  }

  sendConstant(slot: number, place: number): void {
    if (this.isConnected(slot)) this.sending.sendConstant(slot, place);
  }

  send(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.isConnected(slot)) return;
    const sent = this.sending.send(slot, bytes, start, end);
    // The rest of the message has been discarded, so the peer could not parse anything sent after it.
    if (sent <= -FIRST_CODE) this.owner.refused(slot, -sent);
  }

  ready(slot: number): void {
    if (this.isConnected(slot)) this.owner.ready(slot);
  }

  refused(slot: number, code: number): void {
    if (this.isConnected(slot)) this.owner.refused(slot, code);
  }

  close(slot: number): void {
    if (!this.isConnected(slot)) return;
    if (this.sending.isBlocked(slot)) this.pendingCloses.begin(slot);
    else this.owner.close(slot);
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

  dueUs(slot: number): number {
    return (performance.timeOrigin + this.schedule!.dueMs(this.rounds!.next[slot]!, slot)) * 1000;
  }

  unanswered(slot: number): number {
    return this.rounds?.unanswered(slot) ?? 0;
  }

  isSending(slot: number): boolean {
    return this.rounds !== undefined && this.rounds.partial(slot) > 0;
  }

  /** Returns how many messages the next connection may send; 0 for no limit. */
  private nextShare(): number {
    const { message, connections, earlier } = this.plan;
    return message?.total === undefined ? 0 : exactShare(message.total, connections, earlier + this.opens++);
  }

  /** Whether the connection has not ended. A protocol may still be handling input when sending an answer ends it. */
  private isConnected(slot: number): boolean {
    return this.transport.state(slot) !== SLOT.free;
  }

  protected isOpen(slot: number): boolean {
    return this.owner.isOpen(slot);
  }
}
