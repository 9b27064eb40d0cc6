// TLS on top of another transport, for both roles: encrypts outgoing data, decrypts incoming data and performs
// handshakes. While its handshake is in progress, a connection is OPENED only for the transport below.
import { TLS_AGAIN, TLS_END, TlsSessions } from "../../linux/openssl/session.js";
import { ENOMEM, EPROTO } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { STEP } from "../../util/steps.js";
import type { ConnectionAddresses, Transport, TransportHandler, TurnBudget } from "../contract.js";
import { SlotQueue } from "../slot-queue.js";
import { Ciphertext, RECORD } from "./ciphertext.js";
import { HANDSHAKING, HELD, KEPT, LIVE, TlsSlots, UNSENT, WANTS_SENT } from "./slots.js";

/** Time per turn for handshakes. Those left over wait for later turns, so that open connections are not starved. */
const HANDSHAKES_MS = 5;
/** Maximum ciphertext kept for a handshake that waits for its turn. Beyond this, the handshake runs immediately. */
const MOST_KEPT = 64 * 1024;
/** Number of connections freed between abort checks. */
const FREED_AT_ONCE = 256;

export interface TlsTransportOptions {
  readonly handler: TransportHandler;
  readonly budget: TurnBudget;
  /** The role's context. The transport frees it when disposed. */
  readonly context: number;
  readonly freeContext: (context: number) => void;
  /** Whether output takes priority: a peer's input waits until the peer has accepted its output. */
  readonly sendsFirst: boolean;
}

export abstract class TlsTransport<Below extends Transport> implements Transport, TransportHandler {
  protected below!: Below;
  protected readonly sessions: TlsSessions;
  protected readonly slots = new TlsSlots();
  private ciphertext!: Ciphertext;
  private readonly handler: TransportHandler;
  private readonly budget: TurnBudget;
  private readonly sendsFirst: boolean;
  private readonly endContext: () => void;
  private readonly plain: NativeBuffer;
  /** Handshakes that did not fit into the turn's time. */
  private readonly handshakes = new SlotQueue();
  /** Connections that can continue with held data without an event from below. */
  private readonly ready = new SlotQueue();
  /** Time when this turn's share for handshakes ends. */
  private handshakesUntilMs = 0;
  private isDisposed = false;

  constructor({ handler, budget, context, freeContext, sendsFirst }: TlsTransportOptions) {
    this.handler = handler;
    this.budget = budget;
    this.sendsFirst = sendsFirst;
    this.endContext = () => freeContext(context);
    this.sessions = new TlsSessions(context);
    this.plain = new NativeBuffer(Math.min(budget.readBytes, RECORD));
  }

  /** Sets the transport that carries the ciphertext. */
  begin(below: Below): void {
    this.below = below;
    this.ciphertext = new Ciphertext(this.sessions, this.slots, below);
  }

  get end(): number {
    return this.below.end;
  }

  get isHeld(): boolean {
    return this.below.isHeld;
  }

  set isHeld(isHeld: boolean) {
    this.below.isHeld = isHeld;
  }

  get peeks(): boolean {
    return this.below.peeks;
  }

  set peeks(peeks: boolean) {
    this.below.peeks = peeks;
  }

  state(slot: number): number {
    return this.below.state(slot);
  }

  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const { slots } = this;
    const waits = slots.has(slot, HANDSHAKING | UNSENT);
    const most = Math.min(length, this.budget.sendBytes);
    const sent = waits ? 0 : this.ciphertext.encrypt(slot, bytes, offset, most);
    if (sent < 0 || sent === length) return sent;
    slots.set(slot, WANTS_SENT);
    // The budget was the limit rather than the peer, so the connection can continue in the next turn.
    if (!slots.has(slot, HANDSHAKING | UNSENT)) this.ready.push(slot);
    return sent;
  }

  rest(slot: number): void {
    this.below.rest(slot);
  }

  close(slot: number): void {
    this.sayGoodbye(slot);
    this.free(slot);
    this.below.close(slot);
  }

  reset(slot: number): void {
    this.free(slot);
    this.below.reset(slot);
  }

  turn(waitMs: number): void {
    const isBusy = this.handshakes.length > 0 || (this.ready.length > 0 && !this.isHeld);
    this.below.turn(isBusy ? 0 : waitMs);
    while (this.handshakes.length > 0 && performance.now() < this.handshakesUntilMs) {
      this.goOnWithKept(this.handshakes.shift());
    }
    if (!this.isHeld) this.goOn();
  }

  addresses(slot: number): ConnectionAddresses | number {
    return this.below.addresses(slot);
  }

  closeAll(resets: boolean, isAborted: () => boolean): void {
    for (let slot = 0; slot < this.below.end && !this.isDisposed; slot++) {
      if (slot % FREED_AT_ONCE === 0 && isAborted()) break;
      if (!resets) this.sayGoodbye(slot);
      this.free(slot);
    }
    this.below.closeAll(resets, isAborted);
    this.dispose();
  }

  dispose(): void {
    // Undefined if opening it failed.
    this.below?.dispose();
    if (this.isDisposed) return;
    this.isDisposed = true;
    this.sessions.dispose();
    this.endContext();
  }

  awake(nowMs: number): void {
    this.handshakesUntilMs = nowMs + HANDSHAKES_MS;
    this.handler.awake(nowMs);
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const { slots, sessions } = this;
    const shows = this.peeks;
    if (slots.has(slot, HANDSHAKING)) {
      // Data that follows a deferred handshake is deferred with it.
      const isNext = !slots.has(slot, KEPT) && this.mayHandshake;
      if (!isNext && slots.keep(slot, bytes, offset, length) < MOST_KEPT) {
        this.handshakes.push(slot);
        return length;
      }
      if (isNext) sessions.feed(bytes.address + offset, length);
      this.goOnWithKept(slot);
      return length;
    }
    // Output takes priority over input.
    if (this.sendsFirst && !slots.has(slot, UNSENT)) this.tellSent(slot);
    if (slots.has(slot, HELD)) this.goOnWithKept(slot);
    if (!slots.has(slot, LIVE)) return length;
    if (this.mustHold(slot)) {
      slots.set(slot, HELD);
      if (!shows) slots.keep(slot, bytes, offset, length);
      return shows ? 0 : length;
    }
    sessions.feed(bytes.address + offset, length);
    const unused = this.decrypt(slot);
    if (!shows && unused > 0) slots.keep(slot, bytes, offset + length - unused, unused);
    return shows ? length - unused : length;
  }

  sent(slot: number): void {
    const { slots } = this;
    if (slots.has(slot, UNSENT) && !this.ciphertext.resume(slot)) return;
    if (slots.has(slot, HELD)) this.ready.push(slot);
    this.tellSent(slot);
  }

  closed(slot: number): void {
    if (this.slots.has(slot, KEPT)) this.goOnWithKept(slot);
    if (!this.slots.has(slot, LIVE)) return;
    if (this.slots.has(slot, HANDSHAKING)) this.handler.failed(slot, STEP.tls, 0, false);
    else this.handler.closed(slot);
    this.free(slot);
  }

  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void {
    const isHandshaking = this.slots.has(slot, HANDSHAKING);
    this.handler.failed(slot, isHandshaking ? STEP.tls : step, errno, isOwnAnswer);
    this.free(slot);
  }

  /** Creates the SSL object. @returns its address, or 0 when out of memory */
  protected abstract create(slot: number): number;
  /** The handshake has completed, and the role can use the connection. */
  protected abstract secured(slot: number, connection: number): void;
  /** Passes data to the role. @returns number of bytes consumed */
  protected abstract deliver(slot: number, bytes: NativeBuffer, length: number): number;
  /** All data received so far has been decrypted. */
  protected abstract settled(slot: number, connection: number): void;

  /** Whether this turn has time for another handshake. Queued handshakes go first. */
  private get mayHandshake(): boolean {
    return this.handshakes.length === 0 && performance.now() < this.handshakesUntilMs;
  }

  /** Starts a client's handshake, now or as soon as a turn has time. */
  protected beginHandshake(slot: number): void {
    if (this.mayHandshake) this.goOnWithKept(slot);
    else this.handshakes.push(slot);
  }

  /** Ends a connection after a TLS error. @param code errno, or one of linux/openssl/codes.ts */
  protected fail(slot: number, code: number): void {
    this.handler.failed(slot, this.slots.has(slot, HANDSHAKING) ? STEP.tls : STEP.hold, code, false);
    if (!this.slots.has(slot, LIVE)) return;
    this.free(slot);
    this.below.close(slot);
  }

  /** Continues with fed or kept ciphertext: first the handshake, then the data that follows it. */
  private goOnWithKept(slot: number): void {
    const { slots, sessions } = this;
    if (!slots.has(slot, LIVE)) return;
    if (this.sendsFirst && slots.has(slot, WANTS_SENT) && !slots.has(slot, HANDSHAKING)) {
      slots.set(slot, HELD);
      return;
    }
    const kept = slots.takeKept(slot);
    if (kept) sessions.feed(kept.address, kept.bytes.length);
    if (slots.has(slot, HANDSHAKING) && !this.handshake(slot)) {
      sessions.clearInput();
      return;
    }
    slots.clear(slot, HELD);
    const unused = this.decrypt(slot);
    if (unused > 0 && kept) slots.keep(slot, kept, kept.bytes.length - unused, unused);
  }

  /** @returns whether the handshake has completed and the connection is still open */
  private handshake(slot: number): boolean {
    const { slots, sessions } = this;
    const connection = slots.connections[slot]! || this.create(slot);
    if (connection === 0) {
      this.fail(slot, ENOMEM);
      return false;
    }
    slots.connections[slot] = connection;
    const result = sessions.handshake(connection);
    const { failure } = sessions;
    const errno = this.ciphertext.flush(slot);
    if (result !== 0) {
      if (result !== TLS_AGAIN) this.fail(slot, failure);
      else if (errno === -EPROTO) this.fail(slot, EPROTO);
      return false;
    }
    slots.clear(slot, HANDSHAKING);
    this.secured(slot, connection);
    this.tellSent(slot);
    return slots.has(slot, LIVE);
  }

  /** Decrypts and delivers data. @returns bytes of ciphertext left unused because the role accepts no more for now */
  private decrypt(slot: number): number {
    const { slots, sessions, plain } = this;
    const connection = slots.connections[slot]!;
    for (;;) {
      const shows = this.peeks;
      const length = shows ? sessions.peek(connection, plain) : sessions.read(connection, plain);
      if (length < 0) {
        this.endOfInput(slot, connection, length);
        return 0;
      }
      const used = this.deliver(slot, plain, length);
      if (slots.connections[slot] !== connection) {
        sessions.clearInput();
        return 0;
      }
      if (!shows) continue;
      if (used > 0) sessions.discard(connection, plain, used);
      if (used === length) continue;
      slots.set(slot, HELD);
      if (!slots.has(slot, UNSENT)) this.ready.push(slot);
      const { unused } = sessions;
      if (unused > 0) sessions.clearInput();
      return unused;
    }
  }

  /** @param result of the last read */
  private endOfInput(slot: number, connection: number, result: number): void {
    const { failure } = this.sessions;
    const errno = this.ciphertext.flush(slot);
    if (result === TLS_AGAIN) {
      if (errno === -EPROTO) this.fail(slot, EPROTO);
      else this.settled(slot, connection);
      return;
    }
    this.sessions.clearInput();
    if (result !== TLS_END) {
      this.fail(slot, failure);
      return;
    }
    this.handler.closed(slot);
    if (this.slots.has(slot, LIVE)) this.close(slot);
  }

  /** Resumes connections that need no event from below. */
  private goOn(): void {
    const { slots, ready } = this;
    for (let n = Math.min(ready.length, this.budget.resumed); n > 0; n--) {
      const slot = ready.shift();
      this.tellSent(slot);
      if (slots.has(slot, HELD)) this.goOnWithKept(slot);
    }
  }

  /** Whether input must wait, either for earlier input or, on a server, for the role's pending output. */
  private mustHold(slot: number): boolean {
    return this.slots.has(slot, this.sendsFirst ? HELD | WANTS_SENT : HELD);
  }

  private tellSent(slot: number): void {
    const { slots } = this;
    if (!slots.has(slot, WANTS_SENT) || slots.has(slot, HANDSHAKING | UNSENT)) return;
    slots.clear(slot, WANTS_SENT);
    this.handler.sent(slot);
  }

  /** Sends close_notify if possible. */
  private sayGoodbye(slot: number): void {
    const { slots } = this;
    if (!slots.has(slot, LIVE) || slots.has(slot, HANDSHAKING | UNSENT)) return;
    this.sessions.shutdown(slots.connections[slot]!);
    this.ciphertext.flush(slot);
  }

  private free(slot: number): void {
    const { slots } = this;
    if (!slots.has(slot, LIVE)) return;
    const connection = slots.connections[slot]!;
    if (connection !== 0) this.sessions.free(connection);
    slots.end(slot);
  }
}
