// Matches answers with their messages. Latency is measured from the time when a message was due. Messages without an
// answer are attributed to the peer or to this side.
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { COUNTER, HISTOGRAM } from "../metrics.js";
import type { Standstills } from "../standstills.js";
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
  private readonly standstills: Standstills | undefined;

  /** @param standstills times in which the thread did not run; undefined to count no latencies that span them */
  constructor(
    rounds: Rounds,
    schedule: MessageSchedule,
    plan: MessagePlan,
    memory: WorkerMemory,
    standstills: Standstills | undefined,
  ) {
    this.standstills = standstills;
    this.rounds = rounds;
    this.schedule = schedule;
    this.plan = plan;
    this.counters = memory.counters;
    this.roundTrip = memory.histograms[HISTOGRAM.roundTripUs]!;
    this.ages = new MessageAges(schedule.startMs);
  }

  /** Records the latencies of the oldest `count` messages of `slot`, which have been answered. */
  answered(slot: number, count: number): void {
    const { counters, rounds, schedule } = this;
    const nowMs = performance.now();
    let round = rounds.oldest(slot);
    for (let n = 0; n < count; n++) {
      const dueMs = rounds.dueMs(schedule, round++, slot);
      this.roundTrip.record((nowMs - dueMs) * 1000);
      this.standstills?.mark(dueMs, COUNTER.standstillRoundTrips);
    }
    this.finishPartial(slot, count);
    counters[COUNTER.answeredMessages]! += count;
    if (rounds.isLimited) counters[COUNTER.remainingMessages]! -= count;
    if (rounds.answer(slot, count)) counters[COUNTER.answeringConnections]! += 1;
  }

  /** Records that the oldest `count` messages of `slot` will not be answered, although its connection stays open. */
  missed(slot: number, count: number): void {
    const { counters, rounds } = this;
    if (count === 0) return;
    this.finishPartial(slot, count);
    this.noteUnanswered(slot, count, 0);
    counters[COUNTER.unansweredMessages]! += count;
    // The end of the run does not wait for these messages.
    counters[COUNTER.abandonedMessages]! += count;
    if (rounds.isLimited) counters[COUNTER.remainingMessages]! -= count;
    rounds.drop(slot, count);
  }

  /**
   * Accounts for the unanswered messages of a connection that has ended.
   *
   * @param isOurs whether this side closed the connection, in which case missing answers are not held against the
   *   peer
   */
  ended(slot: number, isOurs: boolean): void {
    const { counters, rounds } = this;
    if (rounds.isLimited) counters[COUNTER.remainingMessages]! -= rounds.startable(slot) + rounds.outstanding(slot);
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
   * Accounts for the unanswered messages at the end of the run.
   *
   * @param graceMs messages younger than this count as in flight rather than unanswered
   */
  finish(graceMs: number): void {
    const { counters, rounds } = this;
    const nowMs = performance.now();
    for (let slot = 0; slot < rounds.next.length; slot++) {
      if (rounds.next[slot] === NONE) continue;
      const sent = rounds.awaited(slot);
      const unsent = this.owed(slot);
      const young = this.countYoung(slot, sent, nowMs - graceMs);
      counters[COUNTER.missedMessages]! += unsent;
      counters[COUNTER.unansweredMessages]! += sent - young;
      if (this.plan.expected === "delivery") counters[COUNTER.undeliveredMessages]! += sent - young;
      counters[COUNTER.inFlightMessages]! += young;
      if (sent - young + unsent > 0) counters[COUNTER.waitingConnections]! += 1;
      this.noteUnanswered(slot, sent - young, unsent);
    }
    const youngestUs = this.ages.recordInto(this.roundTrip, nowMs);
    if (youngestUs !== Number.POSITIVE_INFINITY) counters[COUNTER.youngestUnansweredUs] = youngestUs;
  }

  /** Returns how many of the connection's latest messages are younger than `graceMs` or not sent completely. */
  pending(slot: number, graceMs: number): number {
    const { rounds } = this;
    if (rounds.next[slot] === NONE) return 0;
    const partial = rounds.partial(slot);
    return partial + this.countYoung(slot, rounds.next[slot]! - 1 - partial, performance.now() - graceMs);
  }

  /** Counts the messages due after `sinceMs` among the latest `most` that were sent completely. */
  private countYoung(slot: number, most: number, sinceMs: number): number {
    const { rounds, schedule } = this;
    const last = rounds.next[slot]! - rounds.partial(slot) - 1;
    let young = 0;
    while (young < most && rounds.dueMs(schedule, last - young, slot) > sinceMs) young++;
    return young;
  }

  /**
   * Counts a partially sent message as sent if it is among the oldest `count`: a server may answer before it has the
   * whole request, for example if the request is too long.
   */
  private finishPartial(slot: number, count: number): void {
    const { counters, rounds } = this;
    if (rounds.partial(slot) === 0 || count !== rounds.unanswered(slot)) return;
    rounds.finish(slot, 1);
    counters[COUNTER.sentMessages]! += 1;
  }

  /** Returns the number of due messages that have not been sent completely. */
  private owed(slot: number): number {
    const { rounds, schedule } = this;
    if (rounds.isOpening(slot)) return rounds.partial(slot);
    const owed = schedule.owed(slot, rounds.next[slot]!);
    return (rounds.isLimited ? Math.min(owed, rounds.startable(slot)) : owed) + rounds.partial(slot);
  }

  /**
   * @param sent number of unanswered messages, starting with the oldest
   * @param unsent number of later messages that were due but not sent
   */
  private noteUnanswered(slot: number, sent: number, unsent: number): void {
    const { schedule, ages, plan, rounds } = this;
    const { expected, intervalMs = 0 } = plan;
    if (expected === "none") return;
    if (sent > 0) ages.note(rounds.dueMs(schedule, rounds.oldest(slot), slot), intervalMs, sent);
    if (unsent === 0) return;
    const next = rounds.next[slot]!;
    const partial = rounds.partial(slot);
    const dueMs = partial > 0 ? rounds.dueMs(schedule, next - partial, slot) : schedule.dueMs(next, slot);
    ages.note(dueMs, intervalMs, unsent);
  }
}
