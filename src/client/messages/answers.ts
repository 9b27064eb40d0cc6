// Matches answers with the messages that they answer: the latency of each counts from the moment when its message was due, and what is not
// answered in the end is accounted for by who is to blame.
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { COUNTER, HISTOGRAM } from "../metrics.js";
import type { MessagePlan } from "../worker-plan.js";
import { MessageAges } from "./ages.js";
import { NONE, type Rounds } from "./rounds.js";
import type { MessageSchedule } from "./schedule.js";

export class Answers {
  private readonly rounds: Rounds;
  private readonly schedule: MessageSchedule;
  private readonly plan: MessagePlan;
  private readonly counters: Float64Array;
  private readonly roundTrip: Histogram;
  private readonly ages: MessageAges;

  constructor(rounds: Rounds, schedule: MessageSchedule, plan: MessagePlan, memory: WorkerMemory) {
    this.rounds = rounds;
    this.schedule = schedule;
    this.plan = plan;
    this.counters = memory.counters;
    this.roundTrip = memory.histograms[HISTOGRAM.roundTripUs]!;
    this.ages = new MessageAges(schedule.startMs);
  }

  /** The oldest `count` messages of `slot` are answered: records their latencies. */
  answered(slot: number, count: number): void {
    const { counters, rounds, schedule } = this;
    const nowMs = performance.now();
    let round = rounds.oldest(slot);
    for (let n = 0; n < count; n++) {
      this.roundTrip.record((nowMs - schedule.dueMs(round++, slot)) * 1000);
    }
    counters[COUNTER.answeredMessages]! += count;
    if (rounds.answer(slot, count)) counters[COUNTER.answeringConnections]! += 1;
  }

  /**
   * The connection in `slot` has ended: what it has not answered stays so.
   *
   * @param isOurs this side closed it: then nobody owes an answer
   */
  ended(slot: number, isOurs: boolean): void {
    const { counters, rounds } = this;
    if (rounds.next[slot] !== NONE) {
      const sent = rounds.awaited(slot);
      const unsent = this.owed(slot);
      counters[COUNTER.abandonedMessages]! += sent;
      if (isOurs) {
        counters[COUNTER.dueMessages]! -= unsent;
        counters[COUNTER.inFlightMessages]! += sent;
      } else {
        counters[COUNTER.missedMessages]! += unsent;
        counters[COUNTER.unansweredMessages]! += sent;
        counters[COUNTER.unansweredOfLost]! += sent;
        this.noteUnanswered(slot, sent, unsent);
      }
    }
    rounds.open(slot);
  }

  /**
   * The run is over.
   *
   * @param graceMs younger messages than this are still on their way, and no failure of the peer's
   */
  finish(graceMs: number): void {
    const { counters, rounds, schedule } = this;
    const nowMs = performance.now();
    for (let slot = 0; slot < rounds.next.length; slot++) {
      if (rounds.next[slot] === NONE) continue;
      const sent = rounds.awaited(slot);
      const unsent = this.owed(slot);
      const oldest = rounds.oldest(slot);
      let young = 0;
      while (young < sent && nowMs - schedule.dueMs(oldest + sent - 1 - young, slot) < graceMs) young++;
      counters[COUNTER.missedMessages]! += unsent;
      counters[COUNTER.unansweredMessages]! += sent - young;
      counters[COUNTER.inFlightMessages]! += young;
      this.noteUnanswered(slot, sent - young, unsent);
    }
    const youngestUs = this.ages.recordInto(this.roundTrip, nowMs);
    if (youngestUs !== Number.POSITIVE_INFINITY) counters[COUNTER.youngestUnansweredUs] = youngestUs;
  }

  /** Messages that were due and are not sent to their end. */
  private owed(slot: number): number {
    const { rounds, schedule } = this;
    return schedule.lastRound(slot) - rounds.next[slot]! + 1 + (rounds.isPartial(slot) ? 1 : 0);
  }

  /** @param sent messages not answered, the oldest first @param unsent those after them that were due and not sent */
  private noteUnanswered(slot: number, sent: number, unsent: number): void {
    const { schedule, ages, plan } = this;
    if (plan.expected === "none") return;
    if (sent > 0) ages.note(schedule.dueMs(this.rounds.oldest(slot), slot), plan.intervalMs, sent);
    if (unsent > 0) ages.note(schedule.dueMs(schedule.lastRound(slot) - unsent + 1, slot), plan.intervalMs, unsent);
  }
}
