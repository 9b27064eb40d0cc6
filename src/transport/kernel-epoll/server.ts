// Server transport over epoll: accepts from the shared listening socket, in batches when connections arrive quickly.

import { countOpenDescriptors } from "../../linux/proc/procfs.js";
import { EPOLLEXCLUSIVE, EPOLLIN, EPOLLRDHUP } from "../../linux/syscalls/constants.js";
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC } from "../../linux/syscalls/errno.js";
import { acceptedPeer, acceptFrom, acceptWithPeer, closeFd } from "../../linux/syscalls/socket.js";
import { AppError } from "../../util/errors.js";
import { STEP } from "../../util/steps.js";
import type { ServerHandler, ServerTransport, ServerTransportOptions } from "../contract.js";
import { SLOT } from "../slot-state.js";
import { AcceptBatching } from "./accept-batching.js";
import { BLOCKED, CLAMPED, EpollTransport, EVENTS_IN, EVENTS_IN_OUT, LISTENER, WATCHED } from "./transport.js";

// Retry interval when the descriptor table is full. Another thread sharing the table (EMFILE), any process on the host
// (ENFILE), or any of the user's (ENOSPC) may free descriptors or watches without our being told.
const RETRY_MS = 100;
const ALL_BITS = 0xff;
const UNSENT = BLOCKED | CLAMPED;

export class EpollServer extends EpollTransport implements ServerTransport {
  accepts = true;
  namesPeers = false;
  private readonly server: ServerHandler;
  private readonly batching: AcceptBatching;
  private readonly listener: number;
  private ownsListener: boolean;
  private readonly acceptsAtOnce: number;
  private readonly half: number;
  private acceptedInTurn = 0;
  private isListening = false;
  private retryAtMs = 0;

  constructor(options: ServerTransportOptions) {
    const { handler, budget, wakeFd, slots, tableSize, sendsAtRest } = options;
    super({
      handler,
      budget,
      wakeFd,
      table: {
        ...{ slots, tableSize, parks: true, parkable: SLOT.resting, stateMask: ALL_BITS },
        // Close parked connections with a FIN, because a peer that has half-closed should see EOF rather than a reset.
        resetsParked: false,
        onParking: sendsAtRest ? (slot) => this.watch(slot, EVENTS_IN_OUT) : undefined,
      },
      // A peer's next request waits until the peer has read its response.
      readsUnsent: false,
    });
    this.server = handler;
    this.listener = options.listener;
    this.ownsListener = options.ownsListener;
    this.acceptsAtOnce = budget.accepts;
    this.batching = new AcceptBatching(options.accepted, options.backlog);
    this.half = (tableSize - countOpenDescriptors()) / 2;
  }

  /** @throws {AppError} E_SYSTEM if the listening socket cannot be watched */
  override begin(): number {
    const failed = super.begin();
    if (failed >= 0 && this.listen(true) < 0) {
      this.closeAll(false, () => false);
      throw new AppError("E_SYSTEM", "epoll cannot watch the listening socket", {
        fix: "raise fs.epoll.max_user_watches, or free memory",
      });
    }
    return failed;
  }

  get isFilling(): boolean {
    return this.table.count > this.half;
  }

  acceptedPeer(): { ip: string; port: number } {
    return acceptedPeer();
  }

  override close(slot: number): void {
    super.close(slot);
    this.retryAtMs = 0;
  }

  override reset(slot: number): void {
    super.reset(slot);
    this.retryAtMs = 0;
  }

  override turn(waitMs: number): void {
    if (!this.accepts) this.listen(false);
    else if (!this.isListening && performance.now() >= this.retryAtMs) this.listen(true);
    this.acceptedInTurn = 0;
    super.turn(this.isListening || !this.accepts ? waitMs : Math.min(waitMs, RETRY_MS));
    this.batching.gather(this.acceptedInTurn, this.acceptedInTurn === this.acceptsAtOnce);
  }

  override dispose(): void {
    super.dispose();
    if (this.ownsListener) closeFd(this.listener);
    this.ownsListener = false;
  }

  protected override handle(slot: number, events: number): void {
    // A queued connection will be read to the end in its own turn, whatever this event reports.
    if (this.table.state(slot) === SLOT.free || this.leftovers.has(slot)) return;
    this.exchange(slot, (events & EPOLLRDHUP) !== 0);
  }

  protected override goOnWith(slot: number): void {
    this.exchange(slot, true);
  }

  protected override handleListener(): void {
    for (let n = 0; n < this.acceptsAtOnce && this.isListening && this.accepts; n++) {
      const fd = this.namesPeers ? acceptWithPeer(this.listener) : acceptFrom(this.listener);
      if (fd >= 0) this.take(fd);
      else if (this.endsAccepting(-fd)) return;
    }
  }

  /** Sends pending output, then reads. Nothing is read until the kernel has accepted all output. */
  private exchange(slot: number, hasEnded: boolean): void {
    const { table } = this;
    if (table.state(slot) & UNSENT && !this.unblock(slot, UNSENT)) return;
    this.read(slot, hasEnded);
    const state = table.state(slot);
    if ((state & WATCHED) === 0 || (state & UNSENT) !== 0) return;
    table.setState(slot, state & ~WATCHED);
    this.watch(slot, EVENTS_IN);
  }

  private take(fd: number): void {
    const { table } = this;
    this.acceptedInTurn++;
    // WATCHED avoids an extra epoll_ctl() if only part of the greeting is sent: the registration below includes
    // EPOLLOUT.
    const slot = table.add(fd, SLOT.opened | WATCHED);
    this.server.accepted(slot);
    const state = table.state(slot);
    if (state === SLOT.free) return;
    const waitsToSend = (state & BLOCKED) !== 0;
    if (!waitsToSend) table.setState(slot, state & ~WATCHED);
    const events = waitsToSend ? EVENTS_IN_OUT : EVENTS_IN;
    let added = this.epoll.add(fd, events, slot);
    if (added === -ENOSPC && this.isListening) {
      // This user has no epoll watch left. The listening socket's watch is for this connection; later connections stay
      // in the queue.
      this.server.acceptFailed(ENOSPC, false);
      this.stopAccepting();
      added = this.epoll.add(fd, events, slot);
    }
    if (added >= 0) return;
    this.server.failed(slot, STEP.register, -added, false);
    if (table.state(slot) !== SLOT.free) this.close(slot);
  }

  /** Returns whether a failed accept() means there is nothing to accept for now. */
  private endsAccepting(errno: number): boolean {
    if (errno === EAGAIN) return true;
    // The peer gave up while queued. Try the next connection in the queue.
    if (errno === EINTR || errno === ECONNABORTED) return false;
    // Free descriptors in a full table by parking idle connections.
    if (errno === EMFILE && this.table.park() > 0) return false;
    const isFull = errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM;
    this.server.acceptFailed(errno, isFull);
    // Other errors belong to a connection that has been removed from the queue (accept(2)).
    if (!isFull) return false;
    // The connection stays in the queue, and epoll would report it continuously.
    this.stopAccepting();
    return true;
  }

  /** Stops watching the listening socket for a while. */
  private stopAccepting(): void {
    this.listen(false);
    this.retryAtMs = performance.now() + RETRY_MS;
  }

  /**
   * Starts or stops watching the listening socket.
   * @returns 0 or a negative errno
   */
  private listen(joins: boolean): number {
    if (joins === this.isListening) return 0;
    // EPOLLEXCLUSIVE: a new connection wakes one worker rather than all.
    const result = joins
      ? this.epoll.add(this.listener, EPOLLIN | EPOLLEXCLUSIVE, LISTENER)
      : this.epoll.remove(this.listener);
    // The limit on epoll watches has been reached, or memory is exhausted. Retry later.
    if (joins && result < 0) this.retryAtMs = performance.now() + RETRY_MS;
    else this.isListening = joins;
    return result;
  }
}
