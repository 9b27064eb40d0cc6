// Handles transport events in a client worker: counts them, times them, and passes received bytes to the exchange.
// Handlers neither throw nor allocate.

import type { RoleWorker } from "../engine/worker.js";
import { ECONNRESET, EPIPE, ETIMEDOUT } from "../linux/syscalls/errno.js";
import type { NativeBuffer } from "../linux/syscalls/libc.js";
import { isHttpStatus } from "../protocols/codes.js";
import { AS_ASKED, type Handshake, REPLACEABLE } from "../protocols/contract.js";
import type { ClientHandler, ClientTransport, Transport } from "../transport/contract.js";
import { SLOT } from "../transport/slot-state.js";
import { STEP } from "../util/steps.js";
import { DestinationCounts } from "./evidence/destination-counts.js";
import { LossStats } from "./evidence/loss-stats.js";
import { noteForOutage } from "./evidence/outage.js";
import type { ConnectionOwner } from "./exchange/connection-owner.js";
import { Exchange } from "./exchange/exchange.js";
import { ProxySender } from "./exchange/proxy-sender.js";
import { Reopenings, type ReopeningsOwner } from "./exchange/reopenings.js";
import { COUNTER, HISTOGRAM } from "./metrics.js";
import { InFlight } from "./ramp/in-flight.js";
import type { Standstills } from "./standstills.js";
import { TlsHandshakes } from "./tls/handshakes.js";
import type { TupleCursor } from "./tuple-cursor.js";
import type { ConnectMessage, ConnectPlan } from "./worker-plan.js";

export class ClientEvents implements ClientHandler, ConnectionOwner, ReopeningsOwner {
  /** Time at which the last wait ended; used as the time of every event that the wait returned. */
  nowMs = 0;
  /** Highest slot that may hold a resting connection. */
  highestOpen = -1;
  readonly inFlight: InFlight;
  readonly standstills: Standstills;
  readonly ages: LossStats;
  readonly isOpen = (slot: number): boolean => this.transport.state(slot) === SLOT.resting;
  /** Whether messages can be due in `slot`, because its connection is ready or will be reopened for them. */
  readonly isInUse = (slot: number): boolean => this.isOpen(slot) || this.reopenings?.isKept(slot) === true;
  exchange!: Exchange;
  /** Reopens connections that the peer closes; undefined if such connections count as lost. */
  readonly reopenings: Reopenings | undefined;
  /** Undefined without TLS. */
  readonly tls: TlsHandshakes | undefined;
  /** True if the protocol has a handshake; a connection is then in flight until it is ready. */
  shakesHands = false;
  protected readonly worker: RoleWorker<ConnectPlan, ConnectMessage>;
  protected readonly counters: Float64Array;
  protected readonly tuples: TupleCursor;
  /** Counts per destination; undefined for a single destination. */
  protected readonly destinationCounts: DestinationCounts | undefined;
  protected transport!: ClientTransport;
  private readonly plan: ConnectPlan;
  private readonly proxy: ProxySender | undefined;

  /** @param slots number of slots that can ever be in use */
  constructor(worker: RoleWorker<ConnectPlan, ConnectMessage>, tuples: TupleCursor, slots: number) {
    const { plan, memory } = worker;
    this.worker = worker;
    this.plan = plan;
    this.counters = memory.counters;
    this.tuples = tuples;
    this.inFlight = new InFlight(plan, memory, slots);
    this.standstills = this.inFlight.standstills;
    this.ages = new LossStats(this.counters, slots);
    this.destinationCounts = plan.destinationCounts && new DestinationCounts(plan.destinationCounts);
    const tlsTimes = memory.histograms[HISTOGRAM.tlsUs]!;
    this.tls = plan.tls && new TlsHandshakes(this, this.counters, tlsTimes, slots);
    if (plan.reopens) this.reopenings = new Reopenings(this, this.counters, plan.reopenIntervalMs);
    this.proxy = plan.proxyProtocol && new ProxySender(plan.proxyProtocol);
  }

  /** Sets the transport whose events are handled. */
  begin(transport: ClientTransport): void {
    this.transport = transport;
    this.exchange = new Exchange(transport, this.plan, this.worker.memory, this.inFlight.slots, this);
    this.shakesHands = this.exchange.protocol.handshake !== "none";
  }

  /** Called before each turn. */
  beginTurn(): void {
    // Only a single connection has flow control towards the main thread.
  }

  awake(nowMs: number): void {
    this.nowMs = nowMs;
    this.inFlight.turn(nowMs);
  }

  /**
   * Handles a connection that TCP reports as ESTABLISHED.
   * @param below transport for unencrypted bytes
   */
  established(slot: number, below: Transport): void {
    this.inFlight.established(slot, this.nowMs);
    if (this.isReopening(slot)) this.reopenings!.established(slot);
    else {
      this.counters[COUNTER.established]! += 1;
      this.destinationCounts?.established(this.tuples.destinationOf(slot));
    }
    if (this.proxy) this.sendProxyHeader(slot, this.proxy, below);
  }

  opened(slot: number): void {
    const { counters, nowMs } = this;
    // With TLS, established() has already been called.
    if (!this.tls) this.established(slot, this.transport);
    counters[COUNTER.open]! += 1;
    if (this.shakesHands) this.inFlight.beginHandshake(slot, nowMs);
    this.ages.established(slot, nowMs);
    this.inFlight.greeting++;
    if (this.isReopening(slot)) {
      this.reopenings!.opened(slot);
      this.exchange.reopened(slot);
    } else this.exchange.opened(slot);
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    this.counters[COUNTER.receivedBytes]! += length;
    const isFirst = !this.shakesHands && this.inFlight.isTimed(slot);
    if (isFirst) this.firstByte(slot);
    this.exchange.received(slot, bytes.bytes, offset, offset + length);
    // The connection has served its purpose, so the transport closes it. The connection still counts as started.
    if (isFirst && this.plan.closesGreeted && this.transport.state(slot) !== SLOT.free) this.forget(slot);
    return length;
  }

  sent(slot: number): void {
    this.exchange.sent(slot);
  }

  closed(slot: number, isUnannounced = false): void {
    if (isUnannounced) this.counters[COUNTER.unannounced]! += 1;
    const code = this.exchange.peerClosed(slot, isUnannounced);
    if (code === AS_ASKED) this.forget(slot);
    else if (code < 0) this.vacate(slot, code, false);
    else this.lose(slot, code);
  }

  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void {
    if (this.transport.state(slot) !== SLOT.opening) {
      const code = errno === ECONNRESET || errno === EPIPE ? this.exchange.peerReset(slot) : 0;
      if (code < 0) this.vacate(slot, code, false);
      else this.lose(slot, errno);
      return;
    }
    if (isOwnAnswer) this.worker.memory.countAtOnce(errno);
    if (this.tuples.unbound >= 0) this.counters[COUNTER.unboundTuple] = this.tuples.unbound + 1;
    this.countFailed(slot, step, errno);
  }

  /** The protocol handshake is complete. The connection is now open unless it must wait for a greeting. */
  ready(slot: number): void {
    if (!this.isReopening(slot)) this.counters[COUNTER.ready]! += 1;
    if (this.shakesHands) {
      this.inFlight.endHandshake(slot, this.nowMs);
      this.settle(slot);
    } else if (!this.inFlight.greetings.areAwaited) this.settle(slot);
  }

  reopen(slot: number): boolean {
    if (!this.transport.reopen(slot)) return false;
    this.inFlight.began(slot, performance.now());
    return true;
  }

  closeAnnounced(slot: number): void {
    this.vacate(slot, REPLACEABLE.announced, this.plan.reset);
  }

  /** Handles a refusal by the peer, or something from the peer that makes this side refuse the connection. */
  refused(slot: number, code: number): void {
    this.lose(slot, code);
    this.drop(slot);
  }

  /** Handles a protocol handshake that timed out. */
  timeOut(slot: number): void {
    this.failHandshake(slot, ETIMEDOUT);
    this.drop(slot);
  }

  shown(_slot: number, _bytes: Uint8Array, _start: number, _end: number): void {
    // The content of messages is shown only for a single connection.
  }

  /** Closes an open connection from this side. */
  close(slot: number): void {
    if (this.transport.state(slot) === SLOT.opened) this.resolve(slot);
    this.forget(slot);
    this.drop(slot);
  }

  /** Counts the connection as no longer in flight: messages can be sent over it from now on. */
  settle(slot: number): void {
    this.resolve(slot);
    this.exchange.started(slot);
  }

  /** Counts the connection as no longer in flight: it is now open. */
  private resolve(slot: number): void {
    this.transport.rest(slot);
    this.inFlight.greeting--;
    if (slot > this.highestOpen) this.highestOpen = slot;
    if (this.isReopening(slot)) this.reopenings!.ready(slot);
    else this.counters[COUNTER.inFlight]! -= 1;
  }

  /** Fails a connection attempt that has exceeded its timeout. */
  expire(slot: number, nowMs: number): void {
    const isInTls = this.tls !== undefined && this.tls.sinceMs[slot]! > 0;
    const startedMs = isInTls ? this.tls!.sinceMs[slot]! : nowMs - this.inFlight.sinceMs(slot, nowMs);
    const waitedMs = this.inFlight.standstills.runningMs(startedMs, nowMs);
    if (waitedMs < (isInTls ? this.plan.handshakeTimeoutMs : this.plan.connectTimeoutMs)) return;
    this.countFailed(slot, isInTls ? STEP.tls : STEP.connect, ETIMEDOUT);
    this.transport.close(slot);
  }

  /** Counts a failed connection attempt. */
  countFailed(slot: number, step: number, errno: number): void {
    if (this.tls) this.tls.sinceMs[slot] = 0;
    this.destinationCounts?.failed(this.tuples.destinationOf(slot), step, errno);
    this.counters[COUNTER.failed]! += 1;
    this.worker.memory.countFailure(step, errno);
    noteForOutage(this.counters, step, errno);
    if (!this.isReopening(slot)) {
      this.counters[COUNTER.inFlight]! -= 1;
      return;
    }
    this.reopenings!.failed(slot);
    this.exchange.ended(slot, false);
  }

  private isReopening(slot: number): boolean {
    return this.reopenings?.isReopening(slot) === true;
  }

  /**
   * Closes a connection that will be reopened for its next message.
   * @param cause one of REPLACEABLE
   */
  private vacate(slot: number, cause: number, resets: boolean): void {
    this.counters[COUNTER.open]! -= 1;
    this.transport.vacate(slot, resets);
    this.reopenings!.closed(slot, cause);
    this.exchange.vacated(slot, cause);
  }

  private firstByte(slot: number): void {
    const { inFlight, nowMs } = this;
    // The answer to a message is timed from that message and does not prove that the peer speaks first.
    const waitedMs = this.ages.heldMs(slot, nowMs);
    const sinceMs = inFlight.firstByte(slot, nowMs, waitedMs, this.exchange.unanswered(slot) === 0);
    this.counters[COUNTER.greeted]! += 1;
    if (this.transport.state(slot) === SLOT.opened) {
      inFlight.greetings.came(nowMs);
      this.settle(slot);
    } else if (!this.exchange.messages) inFlight.greetings.cameUnawaited(waitedMs, sinceMs - waitedMs);
  }

  /**
   * Handles an open connection that the peer or the network has ended.
   * @param errno reason for the end: an errno, 0 for a FIN from the peer, or a code of the protocol
   */
  private lose(slot: number, errno: number): void {
    if (this.shakesHands && this.transport.state(slot) === SLOT.opened) {
      this.failHandshake(slot, errno);
      return;
    }
    if (this.transport.state(slot) === SLOT.opened) this.resolve(slot);
    this.reopenings?.ended(slot);
    this.counters[COUNTER.open]! -= 1;
    this.counters[COUNTER.lost]! += 1;
    this.worker.memory.countFailure(STEP.hold, errno);
    noteForOutage(this.counters, STEP.hold, errno);
    this.ages.lost(slot, this.nowMs);
    this.exchange.ended(slot, false);
  }

  /**
   * Handles an ESTABLISHED connection that failed to become ready.
   * @param errno see lose()
   */
  private failHandshake(slot: number, errno: number): void {
    const { counters } = this;
    const step = STEP[this.exchange.protocol.handshake as Exclude<Handshake, "none">];
    // Even a refusal counts as a response.
    if (step === STEP.request && isHttpStatus(errno)) this.inFlight.endHandshake(slot, this.nowMs);
    this.destinationCounts?.failed(this.tuples.destinationOf(slot), step, errno);
    this.inFlight.greeting--;
    if (this.isReopening(slot)) this.reopenings!.failed(slot);
    else counters[COUNTER.inFlight]! -= 1;
    counters[COUNTER.open]! -= 1;
    counters[COUNTER.failed]! += 1;
    this.worker.memory.countFailure(step, errno);
    noteForOutage(counters, step, errno);
    // Only the connection's first message can be outstanding, and it fails together with the connection.
    this.exchange.ended(slot, false);
  }

  private drop(slot: number): void {
    if (this.plan.reset) this.transport.reset(slot);
    else this.transport.close(slot);
  }

  /** Updates the counters for an open connection that this side closes. */
  private forget(slot: number): void {
    this.reopenings?.ended(slot);
    this.exchange.ended(slot, true);
    this.counters[COUNTER.open]! -= 1;
  }

  private sendProxyHeader(slot: number, proxy: ProxySender, below: Transport): void {
    const sent = proxy.send(slot, below);
    if (sent > 0) this.counters[COUNTER.sentBytes]! += sent;
    // The end of the connection will be reported, and counted, as a separate event.
    else this.worker.memory.countFailure(STEP.send, -sent);
  }
}
