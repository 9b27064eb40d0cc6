// TLS on top of another transport, for both roles: implements the operations that a role calls. incoming.ts handles the
// events. While its handshake is in progress, a connection is OPENED only for the transport below.
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import type { ConnectionAddresses, Transport, TransportHandler, TurnBudget } from "../contract.js";
import { TlsIncoming } from "./incoming.js";
import { HANDSHAKING, HELD, LIVE, UNSENT, WANTS_SENT } from "./slots.js";

/** Number of connections freed between abort checks. */
const FREED_AT_ONCE = 256;

export interface TlsTransportOptions {
  readonly handler: TransportHandler;
  readonly budget: TurnBudget;
  /** The role's SSL_CTX, which the transport frees when disposed. */
  readonly context: number;
  readonly freeContext: (context: number) => void;
  /** Whether output takes priority: a peer's input waits until the peer has accepted its output. */
  readonly sendsFirst: boolean;
}

export abstract class TlsTransport<Below extends Transport> extends TlsIncoming<Below> implements Transport {
  private readonly budget: TurnBudget;
  private readonly endContext: () => void;
  private isDisposed = false;

  constructor({ handler, budget, context, freeContext, sendsFirst }: TlsTransportOptions) {
    super({ handler, readBytes: budget.readBytes, context, sendsFirst });
    this.budget = budget;
    this.endContext = () => freeContext(context);
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
    // The limit was the budget rather than the peer, so the connection can continue in the next turn.
    if (!slots.has(slot, HANDSHAKING | UNSENT)) this.ready.push(slot);
    return sent;
  }

  rest(slot: number): void {
    this.below.rest(slot);
  }

  close(slot: number): void {
    this.sendCloseNotify(slot);
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
    while (this.handshakes.hasNext) this.goOnWithKept(this.handshakes.shift());
    if (!this.isHeld) this.goOn();
  }

  addresses(slot: number): ConnectionAddresses | number {
    return this.below.addresses(slot);
  }

  closeAll(resets: boolean, isAborted: () => boolean): void {
    for (let slot = 0; slot < this.below.end && !this.isDisposed; slot++) {
      if (slot % FREED_AT_ONCE === 0 && isAborted()) break;
      if (!resets) this.sendCloseNotify(slot);
      this.free(slot);
    }
    this.below.closeAll(resets, isAborted);
    this.dispose();
  }

  dispose(): void {
    // This is undefined if the transport below failed to open.
    this.below?.dispose();
    if (this.isDisposed) return;
    this.isDisposed = true;
    // Free the connections left by an aborted run. The kernel closes the sockets, but nothing else frees this memory.
    for (let slot = 0; slot < this.slots.flags.length; slot++) this.free(slot);
    this.sessions.dispose();
    this.endContext();
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

  /** Sends close_notify if possible. */
  protected sendCloseNotify(slot: number): void {
    const { slots } = this;
    if (!slots.has(slot, LIVE) || slots.has(slot, HANDSHAKING | UNSENT)) return;
    this.sessions.shutdown(slots.connections[slot]!);
    this.ciphertext.flush(slot);
  }
}
