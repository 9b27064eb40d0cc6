// The schedule of a closed loop: a connection's next message follows its previous answer, so it is due when it is
// sent. A server that stalls delays the messages behind it, which the latencies do not show (coordinated omission).
import { grown } from "../../protocols/columns.js";
import { MessageSchedule } from "./schedule.js";

export class ClosedLoop extends MessageSchedule {
  override readonly isTimed = false;
  /** By slot: time when the last message was started. */
  private begunMs = new Float64Array(0);

  constructor(startMs: number) {
    super(startMs, Number.POSITIVE_INFINITY, 1);
  }

  override begin(slot: number): void {
    if (slot >= this.begunMs.length) this.begunMs = grown(this.begunMs, slot);
    this.begunMs[slot] = performance.now();
  }

  override get nextMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  override sendMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  override dueMs(_round: number, slot: number): number {
    return this.begunMs[slot]!;
  }

  override lastRound(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** A message is due only once it has been started. */
  override owed(): number {
    return 0;
  }
}
