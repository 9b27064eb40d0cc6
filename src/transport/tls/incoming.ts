// Handles events of the transport below TLS: performs handshakes, then decrypts ciphertext and passes it to the role.
import { TLS_AGAIN, TLS_END, TlsSessions } from "../../linux/openssl/session.js";
import { ENOMEM, EPROTO } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { FAULT } from "../../protocols/codes.js";
import { STEP } from "../../util/steps.js";
import type { Transport, TransportHandler } from "../contract.js";
import { SlotQueue } from "../slot-queue.js";
import { Ciphertext, RECORD } from "./ciphertext.js";
import { HandshakeQueue } from "./handshake-queue.js";
import { HANDSHAKING, HELD, KEPT, LIVE, TlsSlots, UNSENT, WANTS_SENT } from "./slots.js";

/**
 * Maximum ciphertext to store for a handshake that waits for its turn. If more arrives, the handshake runs immediately.
 */
const MOST_KEPT = 64 * 1024;

export interface TlsIncomingOptions {
  readonly handler: TransportHandler;
  /** Maximum number of bytes passed to the role at once. */
  readonly readBytes: number;
  /** The role's context. */
  readonly context: number;
  /** Whether output takes priority: a peer's input waits until the peer has accepted its output. */
  readonly sendsFirst: boolean;
}

export abstract class TlsIncoming<Below extends Transport> implements TransportHandler {
  protected below!: Below;
  protected readonly sessions: TlsSessions;
  protected readonly slots = new TlsSlots();
  protected ciphertext!: Ciphertext;
  /** Handshakes that did not fit into the turn's time. */
  protected readonly handshakes = new HandshakeQueue();
  /** Connections that can continue with stored data, without an event from below. */
  protected readonly ready = new SlotQueue();
  private readonly handler: TransportHandler;
  private readonly sendsFirst: boolean;
  private readonly plain: NativeBuffer;

  constructor({ handler, readBytes, context, sendsFirst }: TlsIncomingOptions) {
    this.handler = handler;
    this.sendsFirst = sendsFirst;
    this.sessions = new TlsSessions(context);
    this.plain = new NativeBuffer(Math.min(readBytes, RECORD));
  }

  /** Sets the transport that carries the ciphertext. */
  begin(below: Below): void {
    this.below = below;
    this.ciphertext = new Ciphertext(this.sessions, this.slots, below);
  }

  awake(nowMs: number): void {
    this.handshakes.begin(nowMs);
    this.handler.awake(nowMs);
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const { slots, sessions } = this;
    const shows = this.below.peeks;
    if (slots.has(slot, HANDSHAKING)) {
      // Data that follows a deferred handshake is deferred with it.
      const isNext = !slots.has(slot, KEPT) && this.handshakes.mayBegin;
      if (!isNext && slots.keep(slot, bytes, offset, length) < MOST_KEPT && !slots.isFull) {
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
      if (slots.isFull) this.fail(slot, FAULT.BUFFERS_FULL);
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
    else this.handler.closed(slot, true);
    this.free(slot);
  }

  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void {
    const isHandshaking = this.slots.has(slot, HANDSHAKING);
    this.handler.failed(slot, isHandshaking ? STEP.tls : step, errno, isOwnAnswer);
    this.free(slot);
  }

  /**
   * Creates the SSL object.
   * @returns the address of the SSL object, or 0 if memory is exhausted
   */
  protected abstract create(slot: number): number;
  /** Called when the handshake has completed, and the role can use the connection. */
  protected abstract secured(slot: number, connection: number): void;
  /**
   * Passes data to the role.
   * @returns number of bytes consumed
   */
  protected abstract deliver(slot: number, bytes: NativeBuffer, length: number): number;
  /** Called when all data received so far has been decrypted. */
  protected abstract decrypted(slot: number, connection: number): void;
  /** Closes a connection gracefully. */
  abstract close(slot: number): void;

  /** Starts a client's handshake, now or as soon as a turn has time. */
  protected beginHandshake(slot: number): void {
    if (this.handshakes.mayBegin) this.goOnWithKept(slot);
    else this.handshakes.push(slot);
  }

  /**
   * Ends a connection after a TLS error.
   * @param code errno, or one of linux/openssl/codes.ts
   */
  protected fail(slot: number, code: number): void {
    this.handler.failed(slot, this.slots.has(slot, HANDSHAKING) ? STEP.tls : STEP.hold, code, false);
    if (!this.slots.has(slot, LIVE)) return;
    this.free(slot);
    this.below.close(slot);
  }

  /** Processes newly received or stored ciphertext: first the handshake, then the data that follows it. */
  protected goOnWithKept(slot: number): void {
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
      else if (isOverrun(errno)) this.fail(slot, -errno);
      return false;
    }
    slots.clear(slot, HANDSHAKING);
    this.secured(slot, connection);
    this.tellSent(slot);
    return slots.has(slot, LIVE);
  }

  /**
   * Decrypts and delivers data.
   * @returns bytes of ciphertext left unused because the role accepts no more for now
   */
  private decrypt(slot: number): number {
    const { slots, sessions, plain } = this;
    const connection = slots.connections[slot]!;
    for (;;) {
      const shows = this.below.peeks;
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

  /**
   * @param result result of the last read
   */
  private endOfInput(slot: number, connection: number, result: number): void {
    const { failure } = this.sessions;
    const errno = this.ciphertext.flush(slot);
    if (result === TLS_AGAIN) {
      if (isOverrun(errno)) this.fail(slot, -errno);
      else this.decrypted(slot, connection);
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

  /** Whether input must wait, either for earlier input or, on a server, for the role's pending output. */
  private mustHold(slot: number): boolean {
    return this.slots.has(slot, this.sendsFirst ? HELD | WANTS_SENT : HELD);
  }

  protected tellSent(slot: number): void {
    const { slots } = this;
    if (!slots.has(slot, WANTS_SENT) || slots.has(slot, HANDSHAKING | UNSENT)) return;
    slots.clear(slot, WANTS_SENT);
    this.handler.sent(slot);
  }

  /** Releases the connection in `slot`. */
  protected free(slot: number): void {
    const { slots } = this;
    if (!slots.has(slot, LIVE)) return;
    const connection = slots.connections[slot]!;
    if (connection !== 0) this.sessions.free(connection);
    slots.end(slot);
  }
}

/** Whether flush() failed because too much ciphertext is pending. Other errors are reported by the transport below. */
function isOverrun(errno: number): boolean {
  return errno === -EPROTO || errno === -FAULT.BUFFERS_FULL;
}
