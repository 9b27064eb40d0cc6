// Client transport in user space: opens connections from its TupleSource, and identifies tuples by number.
import { EADDRNOTAVAIL } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { STEP } from "../../util/steps.js";
import type { ClientHandler, ClientTransport, ClientTransportOptions } from "../contract.js";
import type { TupleSource } from "../tuple-source.js";
import { ClientEndpoints } from "./client-endpoints.js";
import type { PacketDevice } from "./devices/device.js";
import { closeSlot, resetSlot } from "./tcp/closing.js";
import { TCP } from "./tcp/connections.js";
import { UNKNOWN } from "./tcp/endpoints.js";
import { beginOpening } from "./tcp/handshake.js";
import { PacketTransport } from "./transport.js";
import type { PacketTuples } from "./tuples.js";

export type PacketClientOptions = Pick<
  ClientTransportOptions,
  "tuples" | "handler" | "budget" | "slots" | "endsGreeted"
> & {
  readonly device: PacketDevice;
  /** Tuples, indexed by the numbers that TupleSource.take() returns. */
  readonly plan: PacketTuples;
  readonly counts?: SharedArrayBuffer | undefined;
  readonly delaysAcks?: boolean | undefined;
};

export class PacketClient extends PacketTransport implements ClientTransport {
  private readonly client: ClientHandler;
  private readonly tuples: TupleSource;
  private readonly ends: ClientEndpoints;
  private readonly endsGreeted: "close" | "reset" | undefined;
  /** Slots for which there was no tuple, reported at the end of a turn. */
  private failures: number[] = [];

  constructor({ tuples, handler, budget, slots, endsGreeted, device, plan, counts, delaysAcks }: PacketClientOptions) {
    const endpoints = new ClientEndpoints(plan);
    super({ handler, budget, slots, device, endpoints, counts, delaysAcks, readsUnsent: true });
    endpoints.begin(this.stack.connections);
    this.client = handler;
    this.tuples = tuples;
    this.ends = endpoints;
    this.endsGreeted = endsGreeted;
  }

  open(): number {
    const slot = this.stack.connections.take();
    this.connect(slot);
    return slot;
  }

  vacate(slot: number, resets: boolean): void {
    this.updateClock();
    if (resets) resetSlot(this.stack, slot);
    else closeSlot(this.stack, slot);
  }

  reopen(slot: number): boolean {
    this.connect(slot);
    return true;
  }

  established(slot: number): void {
    if (!this.isMuted) this.client.opened(slot);
  }

  arriving(): number {
    return UNKNOWN;
  }

  protected override get hasMore(): boolean {
    return this.failures.length > 0;
  }

  protected override finishTurn(): void {
    if (this.failures.length === 0) return;
    const { failures } = this;
    this.failures = [];
    for (const slot of failures) {
      if (this.stack.connections.state(slot) !== TCP.synSent) continue;
      this.report(slot, STEP.bind, EADDRNOTAVAIL);
      if (this.stack.connections.state(slot) !== TCP.closed) this.close(slot);
    }
  }

  override deliver(slot: number, buffer: NativeBuffer, offset: number, length: number): number {
    const used = this.client.received(slot, buffer, offset, length);
    if (this.endsGreeted === undefined || this.stack.connections.state(slot) === TCP.closed) return used;
    if (this.endsGreeted === "reset") this.reset(slot);
    else this.close(slot);
    return used;
  }

  private connect(slot: number): void {
    const { stack, ends, tuples } = this;
    this.updateClock();
    for (let passedOver = 0; ; passedOver++) {
      const number = tuples.take(slot, passedOver);
      if (number < 0) {
        ends.assignNone(slot);
        stack.connections.setState(slot, TCP.synSent);
        this.failures.push(slot);
        return;
      }
      if (!this.isFree(number)) continue;
      ends.assign(slot, number);
      beginOpening(stack, slot, number);
      return;
    }
  }

  /** Returns whether the tuple is free. A connection in TIME_WAIT gives up its tuple, as with tcp_tw_reuse. */
  private isFree(number: number): boolean {
    const holder = this.ends.holder(number);
    if (holder === UNKNOWN) return true;
    if (this.stack.connections.state(holder) !== TCP.timeWait) return false;
    this.stack.forget(holder);
    return true;
  }
}
