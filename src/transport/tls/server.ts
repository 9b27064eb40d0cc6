// Server TLS. A server's connection is reported when it is accepted, as without TLS, and can send and receive once its
// handshake completes. A connection uses no memory for TLS until its first bytes arrive, and fails if the handshake
// times out.

import { ETIMEDOUT } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { FAULT } from "../../protocols/codes.js";
import { startsWithProxyHeader } from "../../protocols/proxy-protocol/format.js";
import type { PeerAddress, ServerHandler, ServerTransport, ServerTransportOptions } from "../contract.js";
import { Deadlines } from "../deadlines.js";
import type { ServerTls } from "./options.js";
import { HANDSHAKING } from "./slots.js";
import { TlsTransport } from "./transport.js";

export class TlsServer extends TlsTransport<ServerTransport> implements ServerTransport, ServerHandler {
  private readonly server: ServerHandler;
  private readonly tls: ServerTls;
  private readonly deadlines: Deadlines;
  private nowMs = 0;

  constructor(options: ServerTransportOptions, tls: ServerTls) {
    super({ ...options, context: tls.context, freeContext: tls.freeContext, sendsFirst: true });
    this.server = options.handler;
    this.tls = tls;
    this.deadlines = new Deadlines((slot) => this.fail(slot, ETIMEDOUT), tls.handshakeTimeoutMs);
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

  acceptedPeer(): PeerAddress | undefined {
    return this.below.acceptedPeer();
  }

  override turn(waitMs: number): void {
    const nowMs = performance.now();
    this.deadlines.endLate(nowMs);
    super.turn(Math.min(waitMs, this.deadlines.waitMs(nowMs)));
  }

  override awake(nowMs: number): void {
    this.nowMs = nowMs;
    super.awake(nowMs);
  }

  override received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    // Without this check, OpenSSL would report a wrong version.
    const isFirst = this.slots.connections[slot] === 0 && this.slots.has(slot, HANDSHAKING);
    if (!isFirst || !startsWithProxyHeader(bytes.bytes, offset, offset + length)) {
      return super.received(slot, bytes, offset, length);
    }
    this.fail(slot, FAULT.PROXY_HEADER);
    return length;
  }

  accepted(slot: number): void {
    this.slots.begin(slot, HANDSHAKING);
    this.deadlines.begin(slot, this.nowMs);
    this.server.accepted(slot);
  }

  acceptFailed(errno: number, isFull: boolean): void {
    this.server.acceptFailed(errno, isFull);
  }

  protected create(): number {
    return this.sessions.accept();
  }

  protected secured(slot: number, connection: number): void {
    this.deadlines.end(slot);
    this.tls.events.secured(slot, this.sessions.isResumed(connection));
  }

  protected deliver(slot: number, bytes: NativeBuffer, length: number): number {
    return this.server.received(slot, bytes, 0, length);
  }

  protected decrypted(): void {
    // A server has no session to wait for.
  }

  protected override free(slot: number): void {
    this.deadlines.end(slot);
    super.free(slot);
  }
}
