// Drains a run's messages at its end: stops sending and waits for outstanding answers and deliveries, so that a message
// still missing afterwards was lost rather than cut off.

import { setTimeout as delay } from "node:timers/promises";
import { CONTROL, sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { COUNTER } from "../metrics.js";
import type { MessagePlan } from "../worker-plan.js";
import { FIRST_AUDIT } from "./delivery-audit.js";

const POLL_MS = 5;
/**
 * Maximum time counted between two polls. A longer gap means that the whole machine was suspended, and the peer with
 * it.
 */
const MAX_STEP_MS = 10 * POLL_MS;
/** Maximum time to wait for answers. The run ends within a second even if answers still trickle in. */
const GRACE_MS = 900;
/** Maximum time to wait after an interruption. */
const INTERRUPTED_MS = 400;
/** Maximum time that the workers may take to answer a question about deliveries. */
const AUDIT_MS = 250;
/** If the slowest answers take at most this multiple of the median, younger messages are assumed to be in flight. */
const EVEN = 1.5;

interface Workers {
  readonly memories: readonly WorkerMemory[];
  setAll(word: number, value: number): void;
}

/** A limited time to wait. */
class Grace {
  #leftMs: number;

  constructor(ms: number) {
    this.#leftMs = ms;
  }

  get isOver(): boolean {
    return this.#leftMs < 0;
  }

  /** Polls until `isDone` returns true, or the time is over. */
  async until(isDone: () => boolean): Promise<void> {
    for (let polledMs = performance.now(); !isDone() && !this.isOver; ) {
      await delay(POLL_MS);
      const nowMs = performance.now();
      this.#leftMs -= Math.min(nowMs - polledMs, MAX_STEP_MS);
      polledMs = nowMs;
    }
  }
}

/** Waits for answers, and then for deliveries, during the time after the last message. */
export class Drain {
  readonly #workers: Workers;
  readonly #grace: Grace;

  constructor(workers: Workers, wasInterrupted: boolean) {
    this.#workers = workers;
    this.#grace = new Grace(wasInterrupted ? INTERRUPTED_MS : GRACE_MS);
  }

  /**
   * Stops sending. Resolves when every message over an open connection has been answered, or after about a second.
   *
   * @param alternates whether each message waits for the previous answer, so that some are due but not sent yet
   */
  async awaitAnswers({ expected }: MessagePlan, alternates: boolean): Promise<void> {
    this.#workers.setAll(CONTROL.paused, 1);
    await this.#grace.until(() => {
      // A worker that has not seen the pause yet may still send.
      if (!this.#haveAll(COUNTER.isPaused, 1)) return false;
      const answered = this.#sum(expected === "none" ? COUNTER.sentMessages : COUNTER.answeredMessages);
      const begun = alternates
        ? this.#sum(COUNTER.dueMessages) - this.#sum(COUNTER.missedMessages)
        : this.#sum(COUNTER.sentMessages);
      return begun <= answered + this.#sum(COUNTER.abandonedMessages);
    });
  }

  /** Resolves when every published message has arrived at its subscribers, or when the same second is over. */
  async awaitDeliveries(): Promise<void> {
    if (!(await this.#audit(FIRST_AUDIT))) return;
    for (let asked = FIRST_AUDIT + 1; !this.#grace.isOver; asked++) {
      if (!(await this.#audit(asked)) || this.#sum(COUNTER.undeliveredMessages) === 0) return;
      const startMs = performance.now();
      await this.#grace.until(() => performance.now() - startMs > MAX_STEP_MS);
    }
  }

  /**
   * Asks every worker the question `asked` about deliveries.
   * @returns whether all have answered in time
   */
  async #audit(asked: number): Promise<boolean> {
    this.#workers.setAll(CONTROL.deliveryAudit, asked);
    await new Grace(AUDIT_MS).until(() => this.#haveAll(COUNTER.deliveryAudits, asked));
    return this.#haveAll(COUNTER.deliveryAudits, asked);
  }

  #haveAll(counter: number, value: number): boolean {
    return this.#workers.memories.every(({ counters }) => counters[counter] === value);
  }

  #sum(counter: number): number {
    return sumCounter(this.#workers.memories, counter);
  }
}

/**
 * Returns the maximum age, in milliseconds, at which an unanswered message counts as in flight at the end: the longest
 * latency if all are about the same, or 0 if they are not, as with a peer that falls behind.
 */
export function answerGraceMs(latencies: Histogram): number {
  const [p50, p99] = latencies.percentiles([50, 99]) as [number, number];
  if (p50 === 0 || p99 > EVEN * p50) return 0;
  return Math.ceil(latencies.max / 1000);
}
