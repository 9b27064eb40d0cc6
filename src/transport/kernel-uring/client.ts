// Client transport over io_uring: opens connections from its TupleSource and reports events.
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EALREADY,
  ECONNREFUSED,
  ECONNRESET,
  EISCONN,
  EPIPE,
  ETIMEDOUT,
} from "../../linux/syscalls/errno.js";
import { closeFd, isItsOwnPeer, sentSegments, takeSocketError } from "../../linux/syscalls/socket.js";
import { STEP } from "../../util/steps.js";
import type { ClientHandler, ClientTransport, ClientTransportOptions } from "../contract.js";
import { MET_ITSELF, NO_ROOM, SLOT } from "../slot-state.js";
import type { TupleSource } from "../tuple-source.js";
import { Openings } from "./openings.js";
import type { RingUnit } from "./ring-set.js";
import { LARGEST_RING } from "./ring-size.js";
import { CONNECTING, WAS_RESET } from "./slots.js";
import { kindOf, TAG } from "./tags.js";
import { UringTransport } from "./transport.js";

export class UringClient extends UringTransport implements ClientTransport {
  private readonly client: ClientHandler;
  private readonly tuples: TupleSource;
  private readonly openings: Openings;
  private readonly endsGreeted: "close" | "reset" | undefined;
  private readonly prepared: number;
  /** Number of slots that are neither idle nor free. */
  private busy = 0;
  /** Slots whose attempts had no tuple or no ring, reported at the end of a turn. */
  private failures: { readonly slot: number; readonly step: number; readonly errno: number }[] = [];

  constructor({ handler, budget, wakeFd, slots, tableSize, tuples, endsGreeted, fallback }: ClientTransportOptions) {
    const filesEach = Math.min(tableSize, LARGEST_RING);
    super({ handler, budget, wakeFd, slots, filesEach, dealsSlots: true, readsUnsent: true });
    this.client = handler;
    this.tuples = tuples;
    this.endsGreeted = endsGreeted;
    this.prepared = fallback?.connections ?? 0;
    this.openings = new Openings(tuples, this.slots, this.rings, slots);
  }

  override begin(): number {
    return super.begin() || this.rings.prepare(this.prepared);
  }

  open(): number {
    const { slots, rings } = this;
    let slot = slots.take(rings.capacity);
    if (slot < 0) {
      const failed = rings.add();
      if (failed < 0 && this.busy > 0) return NO_ROOM;
      // Use a slot past the last ring, for which no entry is submitted. `busy` ensures that there is at most one.
      slot = slots.take(failed < 0 ? Number.POSITIVE_INFINITY : rings.capacity);
      if (failed < 0) this.failLater(slot, STEP.socket, -failed);
    }
    this.busy++;
    slots.set(slot, SLOT.opening);
    if (slot < rings.capacity && !this.openings.open(slot)) this.failLater(slot, STEP.bind, EADDRNOTAVAIL);
    return slot;
  }

  vacate(slot: number, resets: boolean): void {
    this.slots.keep(slot);
    if (resets) this.reset(slot);
    else this.close(slot);
  }

  reopen(slot: number): boolean {
    if (!this.slots.takeKept(slot)) return false;
    this.busy++;
    this.slots.set(slot, SLOT.opening);
    if (!this.openings.open(slot)) this.failLater(slot, STEP.bind, EADDRNOTAVAIL);
    return true;
  }

  override rest(slot: number): void {
    if (this.slots.state(slot) !== SLOT.resting) this.busy--;
    super.rest(slot);
  }

  override close(slot: number): void {
    if (this.slots.state(slot) !== SLOT.resting) this.busy--;
    super.close(slot);
  }

  override reset(slot: number): void {
    if (this.slots.state(slot) !== SLOT.resting) this.busy--;
    super.reset(slot);
  }

  delivered(slot: number): void {
    if (this.endsGreeted === "reset") this.reset(slot);
    else if (this.endsGreeted === "close") this.close(slot);
  }

  protected override get hasMore(): boolean {
    return this.failures.length > 0;
  }

  protected override finishTurn(): void {
    if (this.failures.length === 0) return;
    const { failures } = this;
    this.failures = [];
    for (const { slot, step, errno } of failures) {
      if (this.slots.state(slot) === SLOT.opening) this.fail(slot, step, errno);
    }
  }

  protected override vacated(): void {
    // This class allocates the slots, so a free slot implies a free file.
  }

  protected override complete(_unit: RingUnit, slot: number, tag: number, result: number): void {
    const kind = kindOf(tag);
    if (kind === TAG.verify) this.verified(slot, -result);
    else if (kind === TAG.connect) this.connectFailed(slot, -result);
    else if (kind === TAG.bind) this.bindFailed(slot, -result);
    else if (kind === TAG.socket) {
      this.tuples.giveBack(this.openings.tuple(slot));
      this.fail(slot, STEP.socket, -result);
    } else this.fail(slot, STEP.option, -result);
  }

  private bindFailed(slot: number, errno: number): void {
    this.slots.remove(slot, CONNECTING);
    if (errno === EADDRINUSE) this.passOver(slot);
    else {
      if (errno === EADDRNOTAVAIL) this.tuples.cannotBind(this.openings.tuple(slot));
      this.fail(slot, STEP.bind, errno);
    }
  }

  private connectFailed(slot: number, errno: number): void {
    this.slots.remove(slot, CONNECTING);
    // A refused SYN yields ECONNREFUSED. ECONNRESET means that the connection was ESTABLISHED, and its peer may have
    // sent data.
    if (errno === ECONNRESET || errno === EPIPE) this.connected(slot, true);
    // This explicitly chosen tuple already exists (an earlier connection, possibly in TIME_WAIT). Try the next one.
    else if (errno === EADDRNOTAVAIL && !this.tuples.kernelPicksPort) this.passOver(slot);
    else this.fail(slot, STEP.connect, errno, this.isUnsent(slot, errno));
  }

  /** Handles the second connect(), which completes after the first one has succeeded. */
  private verified(slot: number, errno: number): void {
    this.slots.remove(slot, CONNECTING);
    if (errno === EISCONN) this.connected(slot, false);
    else this.fail(slot, STEP.connect, errno === EALREADY ? this.softError(slot) : errno);
  }

  private connected(slot: number, wasReset: boolean): void {
    const { slots, tuples } = this;
    if (tuples.mayMeetItself && this.hasMetItself(slot)) {
      this.client.failed(slot, STEP.connect, MET_ITSELF, false);
      // Close with an RST, because TIME_WAIT on both ends would block the port for the server.
      if (slots.state(slot) !== SLOT.free) this.reset(slot);
      return;
    }
    slots.set(slot, wasReset ? SLOT.opened | WAS_RESET : SLOT.opened);
    this.client.opened(slot);
    if (slots.state(slot) !== SLOT.free) this.receives.arm(slot, wasReset);
  }

  private hasMetItself(slot: number): boolean {
    const fd = this.descriptorFor(slot);
    if (fd < 0) return false;
    const isSelf = isItsOwnPeer(fd);
    closeFd(fd);
    return isSelf;
  }

  /** Returns the error of an ICMP message about a SYN that the kernel would retransmit. */
  private softError(slot: number): number {
    const fd = this.descriptorFor(slot);
    if (fd < 0) return -fd;
    const errno = takeSocketError(fd);
    closeFd(fd);
    return errno || ETIMEDOUT;
  }

  /**
   * Returns whether connect() failed before it sent anything. There is no check for refusals and timeouts, which may
   * be numerous and always come from outside.
   */
  private isUnsent(slot: number, errno: number): boolean {
    if (errno === ECONNREFUSED || errno === ETIMEDOUT) return false;
    const fd = this.descriptorFor(slot);
    if (fd < 0) return false;
    const sent = sentSegments(fd);
    closeFd(fd);
    return sent === 0;
  }

  private passOver(slot: number): void {
    if (!this.openings.passOver(slot)) this.failLater(slot, STEP.bind, EADDRNOTAVAIL);
  }

  private failLater(slot: number, step: number, errno: number): void {
    this.failures.push({ slot, step, errno });
  }

  private fail(slot: number, step: number, errno: number, isOwnAnswer = false): void {
    this.client.failed(slot, step, errno, isOwnAnswer);
    if (this.slots.state(slot) !== SLOT.free) this.close(slot);
  }
}
