// What a client's worker does with what its transport tells: counts, times, and hands bytes to the exchange.
// Nothing is thrown and no object made for an event.

import type { RoleWorker } from "../engine/worker.js";
import { ETIMEDOUT } from "../linux/syscalls/errno.js";
import type { NativeBuffer } from "../linux/syscalls/libc.js";
import type { Handshake } from "../protocols/contract.js";
import type { Histogram } from "../results/histogram/histogram.js";
import type { ClientHandler, ClientTransport, Transport } from "../transport/contract.js";
import { SLOT } from "../transport/slot-state.js";
import { STEP } from "../util/steps.js";
import { DestinationCounts } from "./evidence/destination-counts.js";
import { LossStats } from "./evidence/loss-stats.js";
import { type ConnectionOwner, Exchange } from "./exchange/exchange.js";
import { ProxySender } from "./exchange/proxy-sender.js";
import { COUNTER, HISTOGRAM } from "./metrics.js";
import { Greetings } from "./ramp/greetings.js";
import { RampTimes } from "./ramp/waits.js";
import { Securing } from "./securing.js";
import type { TupleCursor } from "./tuple-cursor.js";
import type { ConnectMessage, ConnectPlan } from "./worker-plan.js";

/** A connection is in flight until it is ESTABLISHED or, where the peer is known to greet, until its greeting: then it rests. */
export class ClientEvents implements ClientHandler, ConnectionOwner {
  /** When the last wait ended: the time of all events that it brought. */
  nowMs = 0;
  /** Of the connections in flight, how many wait for a greeting. */
  greeting = 0;
  /** No slot above is at rest. */
  highestOpen = -1;
  /** What holds the ramp back now, as a place among the counters: see RampTimes. */
  waitsFor = -1;
  /** Fewer connections were begun than are wanted. */
  isBehind = false;
  /** When a connection was begun, in milliseconds; 0 once its first byte has come. By slot. */
  readonly startedMs: Float64Array;
  readonly ages: LossStats;
  readonly greetings: Greetings;
  readonly isOpen = (slot: number): boolean => this.transport.state(slot) === SLOT.resting;
  exchange!: Exchange;
  /** Undefined for connections in the clear. */
  readonly securing: Securing | undefined;
  /** The protocol has a handshake: a connection is in flight until it is ready. */
  shakesHands = false;
  protected readonly worker: RoleWorker<ConnectPlan, ConnectMessage>;
  protected readonly counters: Float64Array;
  private readonly connects: Histogram;
  /** From ESTABLISHED to ready. */
  private readonly handshakes: Histogram;
  private readonly firstBytes: Histogram;
  protected readonly tuples: TupleCursor;
  /** What came of each destination, where there are several. */
  protected readonly destinationCounts: DestinationCounts | undefined;
  protected transport!: ClientTransport;
  private readonly plan: ConnectPlan;
  private readonly times: RampTimes;
  private readonly proxy: ProxySender | undefined;

  /** @param slots that may ever be in use */
  constructor(worker: RoleWorker<ConnectPlan, ConnectMessage>, tuples: TupleCursor, slots: number) {
    const { plan, memory } = worker;
    this.worker = worker;
    this.plan = plan;
    this.counters = memory.counters;
    this.connects = memory.histograms[HISTOGRAM.connectUs]!;
    this.handshakes = memory.histograms[HISTOGRAM.handshakeUs]!;
    this.firstBytes = memory.histograms[HISTOGRAM.firstByteUs]!;
    this.tuples = tuples;
    this.startedMs = new Float64Array(slots);
    this.ages = new LossStats(this.counters, slots);
    this.greetings = new Greetings(
      new Int32Array(plan.shared),
      plan.closesGreeted,
      plan.destinationCounts === undefined,
    );
    this.times = new RampTimes(this.counters);
    this.destinationCounts = plan.destinationCounts && new DestinationCounts(plan.destinationCounts);
    const tlsTimes = memory.histograms[HISTOGRAM.tlsUs]!;
    this.securing = plan.tls && new Securing(this, this.counters, tlsTimes, slots);
    this.proxy = plan.proxyProtocol && new ProxySender(plan.proxyProtocol);
  }

  /** Tells which transport the events come from. */
  begin(transport: ClientTransport): void {
    this.transport = transport;
    this.exchange = new Exchange(transport, this.plan, this.worker.memory, this.startedMs.length, this);
    this.shakesHands = this.exchange.protocol.handshake !== "none";
  }

  awake(nowMs: number): void {
    this.nowMs = nowMs;
    const passedMs = this.times.turn(nowMs, this.waitsFor);
    if (this.waitsFor === COUNTER.greetingMs && this.isBehind) this.greetings.held(nowMs, passedMs);
  }

  /** ESTABLISHED in TCP. @param below sends in the clear */
  established(slot: number, below: Transport): void {
    const handshakeMs = this.nowMs - this.startedMs[slot]!;
    this.counters[COUNTER.established]! += 1;
    this.connects.record(handshakeMs * 1000);
    this.greetings.opened(handshakeMs);
    this.destinationCounts?.established(this.tuples.destinationOf(slot));
    if (this.proxy) this.sendProxyHeader(slot, this.proxy, below);
  }

  opened(slot: number): void {
    const { counters, nowMs } = this;
    // In TLS it was told before.
    if (!this.securing) this.established(slot, this.transport);
    counters[COUNTER.open]! += 1;
    if (this.shakesHands) this.startedMs[slot] = nowMs;
    this.ages.established(slot, nowMs);
    this.greeting++;
    this.exchange.opened(slot);
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    this.counters[COUNTER.receivedBytes]! += length;
    const isFirst = this.startedMs[slot] !== 0 && !this.shakesHands;
    if (isFirst) this.firstByte(slot);
    this.exchange.received(slot, bytes.bytes, offset, offset + length);
    // It has done what it was for, and the transport ends it: it counts as begun all the same.
    if (isFirst && this.plan.closesGreeted) this.forget(slot);
    return length;
  }

  sent(slot: number): void {
    this.exchange.sent(slot);
  }

  closed(slot: number): void {
    this.lose(slot, 0);
  }

  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void {
    if (this.transport.state(slot) !== SLOT.opening) {
      this.lose(slot, errno);
      return;
    }
    if (isOwnAnswer) this.worker.memory.countAtOnce(errno);
    if (this.tuples.unbound >= 0) this.counters[COUNTER.unboundTuple] = this.tuples.unbound + 1;
    this.countFailed(slot, step, errno);
  }

  /** Set up in the protocol: open, unless a greeting is waited for. */
  ready(slot: number): void {
    this.counters[COUNTER.ready]! += 1;
    if (this.shakesHands) {
      this.handshakes.record((this.nowMs - this.startedMs[slot]!) * 1000);
      this.startedMs[slot] = 0;
      this.resolve(slot);
    } else if (!this.greetings.areAwaited) this.resolve(slot);
  }

  /** The peer has refused, or is refused for what it sent. */
  refused(slot: number, code: number): void {
    this.lose(slot, code);
    this.drop(slot);
  }

  /** The handshake of the protocol takes too long. */
  timeOut(slot: number): void {
    this.failHandshake(slot, ETIMEDOUT);
    this.drop(slot);
  }

  shown(_slot: number, _bytes: Uint8Array, _start: number, _end: number): void {
    // Of many connections nobody looks at what they say.
  }

  /** Closes an open connection from this side. */
  close(slot: number): void {
    if (this.transport.state(slot) === SLOT.opened) this.resolve(slot);
    this.forget(slot);
    this.drop(slot);
  }

  /** No longer in flight: the connection is open. */
  resolve(slot: number): void {
    this.transport.rest(slot);
    this.greeting--;
    if (slot > this.highestOpen) this.highestOpen = slot;
    this.counters[COUNTER.inFlight]! -= 1;
  }

  /** An attempt in flight takes too long. */
  expire(slot: number, nowMs: number): void {
    const isSecuring = this.securing !== undefined && this.securing.sinceMs[slot]! > 0;
    const sinceMs = isSecuring ? this.securing!.sinceMs[slot]! : this.startedMs[slot]!;
    if (nowMs - sinceMs < (isSecuring ? this.plan.handshakeTimeoutMs : this.plan.connectTimeoutMs)) return;
    this.countFailed(slot, isSecuring ? STEP.tls : STEP.connect, ETIMEDOUT);
    this.transport.close(slot);
  }

  /** An attempt in flight has failed. */
  countFailed(slot: number, step: number, errno: number): void {
    if (this.securing) this.securing.sinceMs[slot] = 0;
    this.destinationCounts?.failed(this.tuples.destinationOf(slot), step, errno);
    this.counters[COUNTER.failed]! += 1;
    this.worker.memory.countFailure(step, errno);
    this.counters[COUNTER.inFlight]! -= 1;
  }

  private firstByte(slot: number): void {
    const startedMs = this.startedMs[slot]!;
    this.startedMs[slot] = 0;
    // An answer is timed from its message, and does not say that the peer speaks first.
    if (this.exchange.unanswered(slot) === 0) {
      this.firstBytes.record((this.nowMs - startedMs) * 1000);
    }
    this.counters[COUNTER.greeted]! += 1;
    if (this.transport.state(slot) === SLOT.opened) {
      this.greetings.came(this.nowMs);
      this.resolve(slot);
    } else if (!this.exchange.messages) {
      const waitedMs = this.ages.heldMs(slot, this.nowMs);
      this.greetings.cameUnawaited(waitedMs, this.nowMs - startedMs - waitedMs);
    }
  }

  /** The peer or the network ended an open connection. @param errno 0 for the peer's FIN, or a code by which the protocol ended it */
  private lose(slot: number, errno: number): void {
    if (this.shakesHands && this.transport.state(slot) === SLOT.opened) {
      this.failHandshake(slot, errno);
      return;
    }
    if (this.transport.state(slot) === SLOT.opened) this.resolve(slot);
    this.counters[COUNTER.open]! -= 1;
    this.counters[COUNTER.lost]! += 1;
    this.worker.memory.countFailure(STEP.hold, errno);
    this.ages.lost(slot, this.nowMs);
    this.exchange.ended(slot, false);
  }

  /** A connection that is ESTABLISHED does not become ready. @param errno as for lose() */
  private failHandshake(slot: number, errno: number): void {
    const { counters } = this;
    const step = STEP[this.exchange.protocol.handshake as Exclude<Handshake, "none">];
    this.destinationCounts?.failed(this.tuples.destinationOf(slot), step, errno);
    this.greeting--;
    counters[COUNTER.inFlight]! -= 1;
    counters[COUNTER.open]! -= 1;
    counters[COUNTER.failed]! += 1;
    this.worker.memory.countFailure(step, errno);
    this.exchange.ended(slot, true);
  }

  private drop(slot: number): void {
    if (this.plan.reset) this.transport.reset(slot);
    else this.transport.close(slot);
  }

  /** This side closes an open connection. */
  private forget(slot: number): void {
    this.exchange.ended(slot, true);
    this.counters[COUNTER.open]! -= 1;
  }

  private sendProxyHeader(slot: number, proxy: ProxySender, below: Transport): void {
    const sent = proxy.send(slot, below);
    if (sent > 0) this.counters[COUNTER.sentBytes]! += sent;
    // What ended the connection is told of its own, and counted there.
    else this.worker.memory.countFailure(STEP.send, -sent);
  }
}
