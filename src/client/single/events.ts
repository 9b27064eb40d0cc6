// Events of a single connection's worker. In addition to what ClientEvents does, the class reports the connection and
// each read to the main thread, and retries a failed attempt with the next address of the host name.
import type { RoleWorker } from "../../engine/worker.js";
import { CONTROL } from "../../engine/worker-memory.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { formatIp } from "../../util/address.js";
import { ClientEvents } from "../events.js";
import { COUNTER } from "../metrics.js";
import type { TupleCursor } from "../tuple-cursor.js";
import type { ConnectMessage, ConnectPlan } from "../worker-plan.js";
import { TEXTS_AHEAD } from "./flow-control.js";

export class SingleEvents extends ClientEvents {
  /** Number of addresses left to try. */
  private triesLeft: number;
  private sentTexts = 0;

  constructor(worker: RoleWorker<ConnectPlan, ConnectMessage>, tuples: TupleCursor, slots: number) {
    super(worker, tuples, slots);
    this.triesLeft = worker.plan.tries - 1;
  }

  // Check now rather than later: the turn consumes wake-ups, and one that arrived after the check would be lost.
  override beginTurn(): void {
    this.transport.isHeld = this.isAhead;
  }

  override opened(slot: number): void {
    super.opened(slot);
    const ends = this.transport.addresses(slot);
    const { ip, port } = typeof ends === "number" ? { ip: undefined, port: 0 } : ends.local;
    this.worker.send({ type: "opened", ip: ip ? formatIp(ip) : "?", port });
  }

  override received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const used = super.received(slot, bytes, offset, length);
    if (!this.shakesHands) this.shown(slot, bytes.bytes, offset, offset + length);
    return used;
  }

  override shown(_slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.sentTexts++;
    this.worker.send({ type: "received", text: Buffer.from(bytes.subarray(start, end)).toString("utf8") });
    this.transport.isHeld = this.isAhead;
  }

  override countFailed(slot: number, step: number, errno: number): void {
    if (this.triesLeft === 0) {
      super.countFailed(slot, step, errno);
      return;
    }
    this.triesLeft--;
    this.destinationCounts?.failed(this.tuples.destinationOf(slot), step, errno);
    // Decrement `started` first: the main thread reads "started, and none in flight" as the end of the ramp.
    this.counters[COUNTER.started]! -= 1;
    this.counters[COUNTER.inFlight]! -= 1;
  }

  /** Whether the main thread is too far behind in taking received texts. */
  private get isAhead(): boolean {
    return this.sentTexts - Atomics.load(this.worker.memory.control, CONTROL.receivedTexts) >= TEXTS_AHEAD;
  }
}
