// Counts what a client's protocol reports about its connections: responses, heartbeats, deliveries, unexpected bytes.
import { CommonProtocolCounts } from "../../engine/protocol-counts.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import { CODES } from "../../protocols/codes.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { STEP } from "../../util/steps.js";
import { COUNTER, HISTOGRAM } from "../metrics.js";

/** Maximum plausible delivery latency; longer ones are not recorded. */
const MAX_DELIVERY_US = 24 * 3600 * 1e6;

/** The part of a client's exchange that only counts. For the methods, see ClientConnections in protocols/contract.ts. */
export abstract class ProtocolCounts extends CommonProtocolCounts {
  private readonly deliveries: Histogram;

  constructor(memory: WorkerMemory) {
    super(memory, COUNTER);
    this.deliveries = memory.histograms[HISTOGRAM.deliveryUs]!;
  }

  /** Returns whether the connection in `slot` is ready. */
  protected abstract isOpen(slot: number): boolean;

  override responded(slot: number, status: number, retryAfterSec: number): void {
    super.responded(slot, status, retryAfterSec);
    if (status < 400) return;
    if (this.isOpen(slot)) this.memory.countFailure(STEP.response, CODES.http + status);
    const { counters } = this;
    const isLimit = status === 429 || status === 503;
    if (isLimit && retryAfterSec * 1000 > counters[COUNTER.retryAfterMs]!) {
      counters[COUNTER.retryAfterMs] = retryAfterSec * 1000;
    }
  }

  declined(_slot: number, code: number): void {
    this.memory.countFailure(STEP.receive, code);
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

  unexpected(bytes: number): void {
    this.counters[COUNTER.unsolicitedBytes]! += bytes;
  }

  mismatched(bytes: number): void {
    this.counters[COUNTER.wrongBytes]! += bytes;
  }
}
