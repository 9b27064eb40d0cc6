// Server transport over io_uring. The kernel chooses the file index of each accepted connection, which determines its
// slot.
import { closeFd } from "../../linux/syscalls/socket.js";
import type { ServerHandler, ServerTransport, ServerTransportOptions } from "../contract.js";
import { SLOT } from "../slot-state.js";
import { type AcceptEvents, Accepting } from "./accepting.js";
import type { RingUnit } from "./ring-set.js";
import { LARGEST_RING } from "./ring-size.js";
import { UringTransport } from "./transport.js";

// Retry interval when resources are exhausted, because other processes may free some.
const RETRY_MS = 100;

export class UringServer extends UringTransport implements ServerTransport, AcceptEvents {
  accepts = true;
  namesPeers = false;
  private readonly server: ServerHandler;
  private readonly accepting: Accepting;
  private readonly listener: number;
  private ownsListener: boolean;
  /** Index of the peer's address while an accepted() event is being handled. */
  private place = 0;
  private retryAtMs = 0;

  constructor({ handler, budget, wakeFd, slots, tableSize, listener, ownsListener }: ServerTransportOptions) {
    const filesEach = Math.min(tableSize, LARGEST_RING);
    // A peer's next request waits until the peer has read its response.
    super({ handler, budget, wakeFd, slots, dealsSlots: false, filesEach, readsUnsent: false });
    this.server = handler;
    this.listener = listener;
    this.ownsListener = ownsListener;
    this.accepting = new Accepting(this.rings, listener, budget.accepts, this);
  }

  /** Rings are added as long as memory allows. */
  get isFilling(): boolean {
    return false;
  }

  acceptedPeer(): { readonly ip: string; readonly port: number } {
    return this.accepting.peerAt(this.place);
  }

  override turn(waitMs: number): void {
    const isFull = this.retryAtMs > 0 && performance.now() < this.retryAtMs;
    if (!this.accepts) this.accepting.end();
    else if (!isFull) this.accepting.begin();
    super.turn(isFull && this.accepts ? Math.min(waitMs, RETRY_MS) : waitMs);
  }

  override dispose(): void {
    super.dispose();
    if (this.ownsListener) closeFd(this.listener);
    this.ownsListener = false;
  }

  arrived(slot: number, place: number): void {
    this.slots.occupy(slot, SLOT.opened);
    this.place = place;
    this.server.accepted(slot);
    this.accepting.giveBack(place);
    if (this.slots.state(slot) !== SLOT.free) this.receives.arm(slot, false);
  }

  acceptFailed(errno: number, isFull: boolean): void {
    this.server.acceptFailed(errno, isFull);
  }

  delivered(): void {
    // Servers keep connections open.
  }

  protected override get hasMore(): boolean {
    return this.accepting.fullErrno !== 0;
  }

  protected override finishTurn(): void {
    const { fullErrno } = this.accepting;
    if (fullErrno === 0) return;
    this.accepting.fullErrno = 0;
    this.retryAtMs = performance.now() + RETRY_MS;
    this.server.acceptFailed(fullErrno, true);
  }

  protected override vacated(slot: number): void {
    this.rings.unitOf(slot).used--;
    // A file entry is free again, so retry immediately.
    this.retryAtMs = 0;
  }

  protected override complete(unit: RingUnit, place: number, _tag: number, result: number): void {
    this.accepting.completed(unit, place, result);
  }
}
