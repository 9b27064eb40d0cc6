// A client worker's loop: opens its share of the plan's connections towards what is wanted by now, holds them, closes them.
// State in typed arrays by slot; what comes of a connection is in events.ts.

import type { RoleWorker } from "../engine/worker.js";
import { COMMAND, CONTROL, TARGET_AS_IT_IS } from "../engine/worker-memory.js";
import type { ClientTransport, TurnBudget } from "../transport/contract.js";
import { openClientTransport } from "../transport/open.js";
import { NO_ROOM, SLOT } from "../transport/slot-state.js";
import { ClientEvents } from "./events.js";
import { COUNTER } from "./metrics.js";
import { TupleCursor } from "./tuple-cursor.js";
import { type ConnectMessage, type ConnectPlan, SHARED } from "./worker-plan.js";

// Few enough that a handshake's end is seen soon, many enough that a turn costs little.
const OPEN_AT_ONCE = 16;
// Shares of a turn: the rest waits for later ones, so that no peer holds the thread, and a command is answered at once.
export const BUDGET: TurnBudget = {
  readBytes: 16 * 1024,
  reads: 4,
  connectionBytes: 64 * 1024,
  sendBytes: 4 * 1024 * 1024,
  resumed: 64,
  accepts: 0,
};
const RETIRED_AT_ONCE = 256;
const CHECKED_AT_ONCE = 16_384;
/** Nobody has to be greeted sooner. */
const GREETING_GRACE_MS = 1000;
/** One that has waited so many times longer than the slowest was not overlooked by a moment. */
const GREETING_SLACK = 2;
const CHECK_EVERY_MS = 100;
const SLOTS_SPARE = 1024;

export class ClientLoop {
  private readonly worker: RoleWorker<ConnectPlan, ConnectMessage>;
  private readonly plan: ConnectPlan;
  private readonly counters: Float64Array;
  private readonly tuples: TupleCursor;
  private readonly events: ClientEvents;
  private readonly transport: ClientTransport;
  private nextCheckMs = 0;
  /** Where a check of all slots stands; -1 when none is under way. */
  private checkCursor = -1;
  /** In flight at most: less than planned where handshakes alone fill the descriptor table. */
  private window: number;
  private settledAt = 0;

  /** @param Events what is made of the transport's events */
  constructor(worker: RoleWorker<ConnectPlan, ConnectMessage>, Events = ClientEvents, budget = BUDGET) {
    const { plan, memory } = worker;
    // Freed slots are used again, so there are never more than connections at a time.
    const slots = plan.share + SLOTS_SPARE;
    this.worker = worker;
    this.plan = plan;
    this.window = plan.window;
    this.counters = memory.counters;
    this.tuples = new TupleCursor(plan, slots);
    this.events = new Events(worker, this.tuples, slots);
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
        resets: plan.reset,
        endsGreeted: !plan.closesGreeted ? undefined : plan.reset ? "reset" : "close",
      },
      plan.tls && this.events.securing?.open(plan.tls, (slot) => this.tuples.destinationOf(slot)),
    );
    if (typeof transport === "number") throw worker.cannotBegin(transport);
    this.transport = transport;
    this.events.begin(transport);
  }

  run(): void {
    this.worker.send({ type: "ready" });
    try {
      while (this.worker.command === COMMAND.run) this.turn();
      if (this.worker.command === COMMAND.stop) this.closeAll();
    } finally {
      this.transport.dispose();
    }
  }

  private turn(): void {
    const { events, transport } = this;
    const wanted = Atomics.load(this.worker.memory.control, CONTROL.target);
    const mayOpenMore = this.follow(wanted);
    this.reportSettled(wanted);
    events.waitsFor = this.waitedFor(wanted);
    events.isBehind = this.begun < wanted;
    transport.turn(mayOpenMore ? 0 : this.waitMs());
    this.counters[COUNTER.skippedTuples] = this.tuples.skipped;
    if (this.counters[COUNTER.inFlight]! > 0) this.expire();
    const { messages, heartbeats } = events.exchange;
    messages?.sendDue(performance.now(), transport.end, events.isOpen);
    heartbeats?.sendDue(performance.now(), transport.end);
  }

  /** Connections begun and not closed again to follow the schedule: what `wanted` is compared with. */
  private get begun(): number {
    return this.counters[COUNTER.started]! - this.counters[COUNTER.retired]!;
  }

  /** Opens or closes a batch towards `wanted`. @returns whether there is more to do right now */
  private follow(wanted: number): boolean {
    if (wanted === TARGET_AS_IT_IS) return false;
    // Those that failed or were lost cannot be closed: what is open decides how far it goes down.
    const excess = Math.min(this.begun - wanted, this.counters[COUNTER.open]! - wanted);
    if (excess > 0) this.retire(Math.min(excess, RETIRED_AT_ONCE));
    for (let n = 0; n < OPEN_AT_ONCE; n++) {
      if (!this.mayOpen(wanted)) return excess > RETIRED_AT_ONCE;
      this.openOne();
    }
    return this.mayOpen(wanted);
  }

  private mayOpen(wanted: number): boolean {
    return this.begun < wanted && this.counters[COUNTER.inFlight]! < this.window;
  }

  private openOne(): void {
    const counters = this.counters;
    // In flight first: the main thread takes "begun, and nothing in flight" for the end of a ramp.
    counters[COUNTER.inFlight]! += 1;
    counters[COUNTER.started]! += 1;
    const startedMs = performance.now();
    if (counters[COUNTER.firstBegunAt] === 0) counters[COUNTER.firstBegunAt] = performance.timeOrigin + startedMs;
    const slot = this.transport.open();
    if (slot !== NO_ROOM) {
      this.events.startedMs[slot] = startedMs;
      return;
    }
    // Handshakes have all the room: their end makes some, so no more of them at once than there are now.
    counters[COUNTER.started]! -= 1;
    counters[COUNTER.inFlight]! -= 1;
    this.window = counters[COUNTER.inFlight]!;
  }

  /** Closes `count` open connections, the highest slots first, to follow a schedule downwards. */
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

  /** Gives up on handshakes past their time, and on greetings that keep the others waiting: some slots a turn. */
  private expire(): void {
    const { events, transport, plan } = this;
    const now = events.nowMs;
    if (this.checkCursor < 0) {
      if (now < this.nextCheckMs) return;
      this.nextCheckMs = now + Math.min(CHECK_EVERY_MS, plan.connectTimeoutMs / 4, plan.handshakeTimeoutMs / 4);
      this.checkCursor = 0;
    }
    const first = this.checkCursor;
    const end = Math.min(first + CHECKED_AT_ONCE, transport.end);
    for (let slot = first; slot < end; slot++) {
      const state = transport.state(slot);
      if (state === SLOT.opening) events.expire(slot, now);
      else if (state === SLOT.opened && events.shakesHands) {
        if (events.ages.heldMs(slot, now) >= plan.handshakeTimeoutMs) events.timeOut(slot);
      } else if (state === SLOT.opened && events.greetings.gaveUp(events.ages.heldMs(slot, now))) events.resolve(slot);
    }
    this.checkCursor = end < transport.end ? end : -1;
  }

  /** What holds the ramp back now, as a place among the counters; -1 when it has not begun, or has ended. */
  private waitedFor(wanted: number): number {
    const { counters, plan } = this;
    const inFlight = counters[COUNTER.inFlight]!;
    const isGreeting = this.events.greeting * 2 > inFlight;
    if (counters[COUNTER.firstBegunAt] === 0) return -1;
    if (this.begun >= wanted) {
      if (wanted < plan.share) return COUNTER.paceMs;
      if (inFlight === 0) return -1;
      // The last handshakes are the peer's time.
      return isGreeting ? COUNTER.greetingMs : COUNTER.rampedMs;
    }
    if (inFlight < this.window) return COUNTER.busyMs;
    if (isGreeting) return COUNTER.greetingMs;
    return this.window < plan.window ? COUNTER.descriptorMs : COUNTER.windowMs;
  }

  /** How long the loop may sleep: until the next time-out check or the next message, or for ever. */
  private waitMs(): number {
    if (this.checkCursor >= 0) return 0;
    const untilCheck =
      this.counters[COUNTER.inFlight]! > 0 ? this.nextCheckMs - performance.now() : Number.POSITIVE_INFINITY;
    const { messages, heartbeats } = this.events.exchange;
    const untilMessage = messages?.nextDueInMs(this.events.isOpen) ?? Number.POSITIVE_INFINITY;
    const untilBeat = heartbeats?.nextInMs(performance.now(), this.transport.end) ?? Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(untilCheck, untilMessage, untilBeat));
  }

  private reportSettled(wanted: number): void {
    if (this.begun < wanted || this.counters[COUNTER.inFlight]! > 0 || this.settledAt === wanted) return;
    this.settledAt = wanted;
    this.counters[COUNTER.lastSettledAt] = performance.timeOrigin + performance.now();
    this.worker.send({ type: "settled" });
  }

  /** Which of those that are open have not been greeted, where others were. Messages are no questions to ask a greeter. */
  private countUngreeted(): void {
    const { events, transport, counters } = this;
    const longestMs = new Int32Array(this.plan.shared)[SHARED.longestFirstByteMs]!;
    if (events.exchange.messages || this.plan.closesGreeted || longestMs === 0) return;
    const graceMs = Math.max(GREETING_GRACE_MS, GREETING_SLACK * longestMs);
    const now = performance.now();
    for (let slot = 0; slot < transport.end; slot++) {
      if (transport.state(slot) < SLOT.opened || events.startedMs[slot] === 0) continue;
      const counter = now - events.startedMs[slot]! >= graceMs ? COUNTER.ungreeted : COUNTER.awaitingGreeting;
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
