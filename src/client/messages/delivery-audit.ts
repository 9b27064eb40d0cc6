// Counts at the end of a run which published messages have not arrived at their subscribers, which may be in other
// workers. Every worker first records what its connections have published, then each compares it with what it received.
import { CONTROL, type WorkerMemory } from "../../engine/worker-memory.js";
import type { ClientProtocol } from "../../protocols/contract.js";
import { type PublishedPlan, planPublished } from "../../protocols/mqtt/published.js";
import { COUNTER } from "../metrics.js";
import type { ConnectSettings } from "../settings.js";
import { SHARED } from "../worker-plan.js";
import type { Answers } from "./answers.js";

/** First value of CONTROL.deliveryAudit, which asks what has been published. Higher ones ask what has not arrived. */
export const FIRST_AUDIT = 1;

/** With stages, connections that are opened later have numbers above the maximum number of connections. */
const STAGED_NUMBERS = 2 ** 20;

/** Allocates the memory in which the workers of a run record what their connections have published. */
export function planAudit({ connections, isStaged, numberedBefore }: ConnectSettings): PublishedPlan {
  return planPublished(numberedBefore, isStaged ? Math.max(connections, STAGED_NUMBERS) : connections);
}

export class DeliveryAudit {
  private readonly protocol: ClientProtocol;
  private readonly answers: Answers;
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  private readonly shared: Int32Array;

  /** @param shared see SHARED */
  constructor(protocol: ClientProtocol, answers: Answers, memory: WorkerMemory, shared: Int32Array) {
    this.protocol = protocol;
    this.answers = answers;
    this.control = memory.control;
    this.counters = memory.counters;
    this.shared = shared;
  }

  /** Answers the main thread's last question, if it is new. */
  turn(end: number, isOpen: (slot: number) => boolean): void {
    const { counters } = this;
    const asked = Atomics.load(this.control, CONTROL.deliveryAudit);
    if (asked === counters[COUNTER.deliveryAudits]) return;
    if (asked === FIRST_AUDIT) this.conclude(end, isOpen);
    else this.count();
    counters[COUNTER.deliveryAudits] = asked;
  }

  /** Counts the messages that have not arrived. */
  count(): void {
    this.counters[COUNTER.undeliveredMessages] = this.protocol.undelivered?.() ?? 0;
  }

  private conclude(end: number, isOpen: (slot: number) => boolean): void {
    const graceMs = Atomics.load(this.shared, SHARED.deliveryGraceMs);
    for (let slot = 0; slot < end; slot++) {
      if (isOpen(slot)) this.protocol.concluded?.(slot, this.answers.pending(slot, graceMs));
    }
  }
}
