// Event loop of a client worker: opens connections up to the target, holds them, and closes them. State is kept in
// typed arrays indexed by slot. Transport events are handled in events.ts.

import type { RoleWorker } from "../engine/worker.js";
import { COMMAND, CONTROL, TARGET_AS_IT_IS } from "../engine/worker-memory.js";
import type { ClientTransport, TurnBudget } from "../transport/contract.js";
import { openClientTransport } from "../transport/open.js";
import { NO_ROOM, SLOT } from "../transport/slot-state.js";
import { ClientEvents } from "./events.js";
import { COUNTER } from "./metrics.js";
import { OverdueScan } from "./ramp/overdue.js";
import { STANDSTILL_MS } from "./standstills.js";
import { TupleCursor } from "./tuple-cursor.js";
import { type ConnectMessage, type ConnectPlan, SHARED } from "./worker-plan.js";

// This is small enough to notice completed handshakes soon, and large enough to amortize the cost of a turn.
const OPEN_AT_ONCE = 16;
/** Without kernel sockets, opening is so cheap that the cost of a turn matters more. */
const PACKETS_OPEN_AT_ONCE = 64;
// Limits per turn. Remaining work waits for later turns, so that no peer monopolizes the thread and commands are
// handled promptly.
export const BUDGET: TurnBudget = {
  readBytes: 16 * 1024,
  reads: 4,
  connectionBytes: 64 * 1024,
  sendBytes: 4 * 1024 * 1024,
  resumed: 64,
  accepts: 0,
};
/** Maximum time to sleep while answers may be outstanding. */
const CHECK_MS = STANDSTILL_MS / 2;
const RETIRED_AT_ONCE = 256;
/** A connection younger than this never counts as ungreeted. */
const GREETING_GRACE_MS = 1000;
/** A connection counts as ungreeted only after this multiple of the time that the slowest greeting took. */
const GREETING_SLACK = 2;
const SLOTS_SPARE = 1024;

export class ClientLoop {
  private readonly worker: RoleWorker<ConnectPlan, ConnectMessage>;
  private readonly plan: ConnectPlan;
  private readonly counters: Float64Array;
  private readonly tuples: TupleCursor;
  private readonly events: ClientEvents;
  private readonly transport: ClientTransport;
  private readonly overdue: OverdueScan;
  private readonly openAtOnce: number;
  /**
   * Maximum number of connections in flight. This maximum is below the planned value if handshakes alone fill the
   * descriptor table.
   */
  private window: number;
  private resolvedAt = 0;
  /** Whether epoll is used because io_uring could not lock enough memory. */
  private readonly hasFallenBack: boolean;

  /** @param Events class that handles the transport's events */
  constructor(worker: RoleWorker<ConnectPlan, ConnectMessage>, Events = ClientEvents, budget = BUDGET) {
    const { plan, memory } = worker;
    // Slots are reused, so their number never exceeds the peak number of connections.
    const slots = plan.share + SLOTS_SPARE;
    this.worker = worker;
    this.plan = plan;
    this.window = plan.window;
    this.openAtOnce = plan.packet ? PACKETS_OPEN_AT_ONCE : OPEN_AT_ONCE;
    this.counters = memory.counters;
    this.tuples = new TupleCursor(plan, slots);
    this.events = new Events(worker, this.tuples, slots);
    const fallback = plan.fallsBack ? { connections: plan.share, isUsed: false } : undefined;
    const transport = openClientTransport(
      plan.engine,
      {
        tuples: this.tuples,
        handler: this.events,
        budget,
        wakeFd: worker.wakeFd,
        slots,
        tableSize: plan.tableSize,
        parks: plan.parks,
        watches: plan.watches,
        resets: plan.reset,
        endsGreeted: !plan.closesGreeted ? undefined : plan.reset ? "reset" : "close",
        fallback,
        packet: plan.packet,
      },
      plan.tls && this.events.tls?.open(plan.tls, (slot) => this.tuples.destinationOf(slot)),
    );
    if (typeof transport === "number") throw worker.cannotBegin(transport);
    this.hasFallenBack = fallback?.isUsed === true;
    this.transport = transport;
    this.events.begin(transport);
    this.overdue = new OverdueScan(this.events, transport, plan, this.counters);
  }

  run(): void {
    this.worker.send({ type: "ready", hasFallenBack: this.hasFallenBack });
    try {
      while (this.worker.command === COMMAND.run) this.turn();
      if (this.worker.command === COMMAND.stop) this.closeAll();
    } finally {
      this.events.exchange.dispose();
      this.transport.dispose();
    }
  }

  private turn(): void {
    const { events, transport } = this;
    const wanted = Atomics.load(this.worker.memory.control, CONTROL.target);
    const mayOpenMore = this.follow(wanted) || this.reopen();
    this.reportResolved(wanted);
    events.inFlight.waitsFor = this.waitedFor(wanted);
    events.inFlight.isBehind = this.begun < wanted;
    events.beginTurn();
    const waitMs = mayOpenMore ? 0 : this.waitMs();
    events.standstills.promise(performance.now(), waitMs);
    transport.turn(waitMs);
    this.counters[COUNTER.skippedTuples] = this.tuples.skipped;
    this.overdue.turn();
    const { messages, heartbeats, audit } = events.exchange;
    messages?.sendDue(performance.now(), transport.end, events.isInUse);
    heartbeats?.sendDue(performance.now(), transport.end);
    audit?.turn(transport.end, events.isOpen);
  }

  /** Number of connections started, minus those closed to follow the schedule; compared with `wanted`. */
  private get begun(): number {
    return this.counters[COUNTER.started]! - this.counters[COUNTER.retired]!;
  }

  /**
   * Opens or closes a batch of connections to approach `wanted`.
   * @returns whether more work can be done right away
   */
  private follow(wanted: number): boolean {
    if (wanted === TARGET_AS_IT_IS) return false;
    // Only open connections can be closed, so their number limits how far the count can go down.
    const excess = Math.min(this.begun - wanted, this.counters[COUNTER.open]! - wanted);
    if (excess > 0) this.retire(Math.min(excess, RETIRED_AT_ONCE));
    for (let n = 0; n < this.openAtOnce; n++) {
      if (!this.mayOpen(wanted)) return excess > RETIRED_AT_ONCE;
      this.openOne();
    }
    return this.mayOpen(wanted);
  }

  private mayOpen(wanted: number): boolean {
    return this.begun < wanted && this.room > 0;
  }

  /** Returns how many more connections may be opened at once. */
  private get room(): number {
    return this.window - this.counters[COUNTER.inFlight]! - this.counters[COUNTER.reopening]!;
  }

  /**
   * Reopens connections that the peer has closed.
   * @returns whether more work can be done right away
   */
  private reopen(): boolean {
    const { reopenings } = this.events;
    return reopenings?.turn(Math.min(this.room, this.openAtOnce)) === true;
  }

  private openOne(): void {
    const counters = this.counters;
    // Increment inFlight first: the main thread reads "started, and none in flight" as the end of the ramp.
    counters[COUNTER.inFlight]! += 1;
    counters[COUNTER.started]! += 1;
    const startedMs = performance.now();
    if (counters[COUNTER.firstBegunAt] === 0) counters[COUNTER.firstBegunAt] = performance.timeOrigin + startedMs;
    const slot = this.transport.open();
    if (slot !== NO_ROOM) {
      this.events.inFlight.began(slot, startedMs);
      return;
    }
    // Handshakes occupy the whole descriptor table. Each handshake that completes frees a descriptor, so never allow
    // more than are in flight now, those of reopened connections included.
    counters[COUNTER.started]! -= 1;
    counters[COUNTER.inFlight]! -= 1;
    this.window = counters[COUNTER.inFlight]! + counters[COUNTER.reopening]!;
  }

  /** Closes `count` open connections, highest slots first, because the schedule goes down. */
  private retire(count: number): void {
    const { events, counters } = this;
    let left = count;
    for (; events.highestOpen >= 0 && left > 0; events.highestOpen--) {
      const slot = events.highestOpen;
      if (!events.isOpen(slot)) continue;
      events.exchange.closing(slot);
      if (events.isOpen(slot)) events.close(slot);
      counters[COUNTER.retired]! += 1;
      left--;
    }
  }

  /** Returns the index of the counter for whatever limits the ramp now, or -1 before and after the ramp. */
  private waitedFor(wanted: number): number {
    const { counters, plan } = this;
    const inFlight = counters[COUNTER.inFlight]!;
    const isGreeting = this.events.inFlight.greeting * 2 > inFlight;
    if (counters[COUNTER.firstBegunAt] === 0) return -1;
    if (this.begun >= wanted) {
      if (wanted < plan.share) return COUNTER.paceMs;
      if (inFlight === 0) return -1;
      // Only the last handshakes are still in flight, and how long they take depends on the peer.
      return isGreeting ? COUNTER.greetingMs : COUNTER.rampedMs;
    }
    if (inFlight < this.window) return COUNTER.busyMs;
    if (isGreeting) return COUNTER.greetingMs;
    return this.window < plan.window ? COUNTER.descriptorMs : COUNTER.windowMs;
  }

  /** Returns how long the loop may sleep: until the next overdue connection, message or heartbeat, or forever. */
  private waitMs(): number {
    const nowMs = performance.now();
    const { reopenings } = this.events;
    const { messages, heartbeats } = this.events.exchange;
    const untilMessage = messages?.nextDueInMs(this.events.isInUse) ?? Number.POSITIVE_INFINITY;
    const untilBeat = heartbeats?.nextInMs(nowMs, this.transport.end) ?? Number.POSITIVE_INFINITY;
    const untilReopening = reopenings?.nextInMs(nowMs, this.room > 0) ?? Number.POSITIVE_INFINITY;
    // Messages may be due late, or only after an answer, but a standstill must be noticed until then.
    const untilCheck = messages ? CHECK_MS : Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(this.overdue.untilNextMs(nowMs), untilMessage, untilBeat, untilReopening, untilCheck));
  }

  private reportResolved(wanted: number): void {
    if (this.begun < wanted || this.counters[COUNTER.inFlight]! > 0 || this.resolvedAt === wanted) return;
    this.resolvedAt = wanted;
    this.counters[COUNTER.lastResolvedAt] = performance.timeOrigin + performance.now();
    this.worker.send({ type: "resolved" });
  }

  /**
   * Counts open connections that were not greeted although others were. This is skipped for runs with messages, in
   * which a first byte may be an answer.
   */
  private countUngreeted(): void {
    const { events, transport, counters } = this;
    const { inFlight, ages } = events;
    const longestMs = new Int32Array(this.plan.shared)[SHARED.longestFirstByteMs]!;
    if (events.exchange.messages || this.plan.closesGreeted || longestMs === 0) return;
    const graceMs = Math.max(GREETING_GRACE_MS, GREETING_SLACK * longestMs);
    const now = performance.now();
    for (let slot = 0; slot < transport.end; slot++) {
      if (transport.state(slot) < SLOT.opened || !inFlight.isTimed(slot)) continue;
      const counter = ages.heldMs(slot, now) >= graceMs ? COUNTER.ungreeted : COUNTER.awaitingGreeting;
      counters[counter]! += 1;
    }
  }

  private closeAll(): void {
    const { events, transport } = this;
    this.countUngreeted();
    const isLive = (slot: number) => transport.state(slot) >= SLOT.opened;
    events.exchange.finish(new Int32Array(this.plan.shared)[SHARED.answerGraceMs]!, transport.end, isLive);
    events.ages.countKept(transport.end, isLive);
    transport.closeAll(this.plan.reset, () => this.worker.command === COMMAND.abort);
  }
}
