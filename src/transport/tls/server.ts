// Server TLS. A connection is reported when it is accepted, as without TLS, and can send and receive once its handshake
// completes. It uses no memory for TLS until its first bytes arrive, and fails if the handshake times out.

import { ETIMEDOUT } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import type { ServerHandler, ServerTransport, ServerTransportOptions } from "../contract.js";
import { SlotQueue } from "../slot-queue.js";
import type { ServerTls } from "./options.js";
import { HANDSHAKING } from "./slots.js";
import { TlsTransport } from "./transport.js";

/** Maximum number of timed-out handshakes ended per turn. */
const ENDED_AT_ONCE = 256;

export class TlsServer extends TlsTransport<ServerTransport> implements ServerTransport, ServerHandler {
  private readonly server: ServerHandler;
  private readonly tls: ServerTls;
  /**
   * Handshakes in progress, in the order in which they started, and their start times. A slot may since have been
   * reused.
   */
  private readonly waiting = new SlotQueue();
  private startedMs = new Float64Array(0);
  private nowMs = 0;

  constructor(options: ServerTransportOptions, tls: ServerTls) {
    super({ ...options, context: tls.context, freeContext: tls.freeContext, sendsFirst: true });
    this.server = options.handler;
    this.tls = tls;
  }

  get accepts(): boolean {
    return this.below.accepts;
  }

  set accepts(accepts: boolean) {
    this.below.accepts = accepts;
  }

  get namesPeers(): boolean {
    return this.below.namesPeers;
  }

  set namesPeers(namesPeers: boolean) {
    this.below.namesPeers = namesPeers;
  }

  get isFilling(): boolean {
    return this.below.isFilling;
  }

  acceptedPeer(): { readonly ip: string; readonly port: number } {
    return this.below.acceptedPeer();
  }

  override turn(waitMs: number): void {
    super.turn(Math.min(waitMs, this.endLate()));
  }

  override awake(nowMs: number): void {
    this.nowMs = nowMs;
    super.awake(nowMs);
  }

  accepted(slot: number): void {
    this.slots.begin(slot, HANDSHAKING);
    if (slot >= this.startedMs.length) this.grow(slot);
    this.startedMs[slot] = this.nowMs;
    this.waiting.push(slot);
    this.server.accepted(slot);
  }

  acceptFailed(errno: number, isFull: boolean): void {
    this.server.acceptFailed(errno, isFull);
  }

  protected create(): number {
    return this.sessions.accept();
  }

  protected secured(slot: number, connection: number): void {
    this.tls.events.secured(slot, this.sessions.isResumed(connection));
  }

  protected deliver(slot: number, bytes: NativeBuffer, length: number): number {
    return this.server.received(slot, bytes, 0, length);
  }

  protected decrypted(): void {
    // A server has no session to wait for.
  }

  /**
   * Ends timed-out handshakes.
   * @returns milliseconds until the next timeout
   */
  private endLate(): number {
    const { waiting, slots } = this;
    for (let n = 0; n < ENDED_AT_ONCE && waiting.length > 0; n++) {
      const slot = waiting.first;
      const leftMs = this.startedMs[slot]! + this.tls.handshakeTimeoutMs - performance.now();
      if (slots.has(slot, HANDSHAKING) && leftMs > 0) return leftMs;
      waiting.shift();
      if (slots.has(slot, HANDSHAKING)) this.fail(slot, ETIMEDOUT);
    }
    return waiting.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }

  private grow(slot: number): void {
    const startedMs = new Float64Array(Math.max(slot + 1, this.startedMs.length * 2, 1024));
    startedMs.set(this.startedMs);
    this.startedMs = startedMs;
  }
}
