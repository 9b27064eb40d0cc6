// Client transport over epoll: opens connections from its TupleSource and reports events.
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../../linux/syscalls/constants.js";
import { ECONNRESET, EMFILE, ENOSPC, EPIPE } from "../../linux/syscalls/errno.js";
import { isItsOwnPeer, takeSocketError } from "../../linux/syscalls/socket.js";
import { STEP } from "../../util/steps.js";
import type { ClientHandler, ClientTransport, ClientTransportOptions } from "../contract.js";
import { MET_ITSELF, NO_ROOM, SLOT } from "../slot-state.js";
import { Connector } from "./connector.js";
import { BLOCKED, CLAMPED, EpollTransport, EVENTS_IN_OUT, STATE_MASK, WATCHED } from "./transport.js";

const IN_OR_ENDED = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
/** EPOLLOUT signals the end of the handshake, so every opening connection is watched for it. */
const OPENING = SLOT.opening | WATCHED;

export class EpollClient extends EpollTransport implements ClientTransport {
  private readonly client: ClientHandler;
  private readonly connector: Connector;
  private readonly mayMeetItself: boolean;
  private readonly endsGreeted: "close" | "reset" | undefined;
  private readonly watches: number;
  /** Number of slots that are neither idle nor free. Descriptors of such connections cannot be parked. */
  private busy = 0;
  /** Slots whose calls failed immediately, reported in the next turn. */
  private readonly failures: { slot: number; step: number; errno: number }[] = [];

  constructor(options: ClientTransportOptions) {
    const { handler, budget, wakeFd, slots, tableSize, parks, resets } = options;
    const table = { slots, tableSize, parks, resetsParked: resets, parkable: SLOT.resting, stateMask: STATE_MASK };
    super({ handler, budget, wakeFd, table, readsUnsent: true });
    this.client = handler;
    this.connector = new Connector(options.tuples);
    this.mayMeetItself = options.tuples.mayMeetItself;
    this.endsGreeted = options.endsGreeted;
    this.watches = options.watches ?? Number.POSITIVE_INFINITY;
  }

  open(): number {
    const { table } = this;
    const slot = table.take(OPENING);
    if (this.connect(slot)) return slot;
    table.close(slot);
    return NO_ROOM;
  }

  reopen(slot: number): boolean {
    this.table.retake(slot, OPENING);
    if (this.connect(slot)) return true;
    this.table.vacate(slot, false);
    return false;
  }

  vacate(slot: number, resets: boolean): void {
    if (this.state(slot) !== SLOT.resting) this.busy--;
    this.table.vacate(slot, resets);
  }

  override rest(slot: number): void {
    if (this.state(slot) === SLOT.opened) this.busy--;
    super.rest(slot);
  }

  override close(slot: number): void {
    if (this.state(slot) !== SLOT.resting) this.busy--;
    super.close(slot);
  }

  override reset(slot: number): void {
    if (this.state(slot) !== SLOT.resting) this.busy--;
    super.reset(slot);
  }

  override turn(waitMs: number): void {
    if (this.failures.length === 0) {
      super.turn(waitMs);
      return;
    }
    super.turn(0);
    for (const { slot, step, errno } of this.failures) {
      if (this.state(slot) === SLOT.opening) this.fail(slot, step, errno, step === STEP.connect);
    }
    this.failures.length = 0;
  }

  protected override handle(slot: number, events: number): void {
    // An earlier event in this batch may have closed this connection.
    const state = this.table.state(slot);
    if (state === SLOT.free) return;
    if (state === OPENING && !this.finishHandshake(slot, events)) return;
    // A queued connection will be read to the end in its own turn, whatever this event reports.
    if (events & IN_OR_ENDED && !this.leftovers.has(slot)) this.read(slot, (events & EPOLLRDHUP) !== 0);
    if (events & EPOLLOUT && this.table.state(slot) & BLOCKED) this.unblock(slot, BLOCKED);
  }

  protected override goOnWith(slot: number): void {
    if (this.table.state(slot) & CLAMPED) this.unblock(slot, CLAMPED);
    if (this.table.state(slot) !== SLOT.free) this.read(slot, true);
  }

  protected override deliver(slot: number, length: number): void {
    super.deliver(slot, length);
    if (this.endsGreeted === undefined || this.table.state(slot) === SLOT.free) return;
    if (this.endsGreeted === "reset") this.reset(slot);
    else this.close(slot);
  }

  /** @returns whether there is a descriptor for the connection, or it has failed for another reason */
  private connect(slot: number): boolean {
    const { table, connector } = this;
    if (table.count > this.watches) {
      this.busy++;
      this.failures.push({ slot, step: STEP.register, errno: ENOSPC });
      return true;
    }
    let fd = connector.open(slot);
    // Free descriptors in a full table by parking idle connections.
    if (fd === -EMFILE && table.park() > 0) fd = connector.open(slot);
    if (fd === -EMFILE && this.busy > 0) return false;
    this.busy++;
    if (fd < 0) {
      this.failures.push({ slot, step: connector.failedStep, errno: -fd });
      return true;
    }
    table.setDescriptor(slot, fd);
    const added = this.epoll.add(fd, EVENTS_IN_OUT, slot);
    if (added < 0) this.failures.push({ slot, step: STEP.register, errno: -added });
    return true;
  }

  /** @returns whether the connection is ESTABLISHED and still open, so that received data should be read */
  private finishHandshake(slot: number, events: number): boolean {
    const fd = this.table.descriptor(slot);
    if (events & (EPOLLERR | EPOLLHUP)) {
      const errno = takeSocketError(fd);
      // A refused SYN yields ECONNREFUSED. ECONNRESET means that the connection was ESTABLISHED, and its peer may have
      // sent data.
      if (errno === ECONNRESET || errno === EPIPE) {
        if (this.opened(slot)) this.read(slot, true, errno);
        return false;
      }
      if (errno !== 0) {
        this.fail(slot, STEP.connect, errno, false);
        return false;
      }
    }
    if (!(events & (EPOLLOUT | EPOLLIN))) return false;
    if (this.mayMeetItself && isItsOwnPeer(fd)) {
      this.client.failed(slot, STEP.connect, MET_ITSELF, false);
      // Close with an RST, because TIME_WAIT on both ends would block the port for the server.
      if (this.table.state(slot) !== SLOT.free) this.reset(slot);
      return false;
    }
    return this.opened(slot);
  }

  private opened(slot: number): boolean {
    this.table.setState(slot, SLOT.opened | WATCHED);
    this.client.opened(slot);
    return this.table.state(slot) !== SLOT.free;
  }

  private fail(slot: number, step: number, errno: number, isOwnAnswer: boolean): void {
    this.client.failed(slot, step, errno, isOwnAnswer);
    if (this.table.state(slot) !== SLOT.free) this.close(slot);
  }
}
