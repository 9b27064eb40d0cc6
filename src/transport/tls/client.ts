// Client TLS. A client's handshake starts when the TCP connection is ESTABLISHED, and opened() is reported when the
// handshake completes. If resumption is enabled, all connections to a peer share one session, which they resume.
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import type { ClientHandler, ClientTransport, ClientTransportOptions } from "../contract.js";
import { SLOT } from "../slot-state.js";
import type { ClientTls } from "./options.js";
import { HANDSHAKING, OFFERED, WANTS_SESSION } from "./slots.js";
import { TlsTransport } from "./transport.js";

export class TlsClient extends TlsTransport<ClientTransport> implements ClientTransport, ClientHandler {
  private readonly client: ClientHandler;
  private readonly tls: ClientTls;
  private readonly endsGreeted: "close" | "reset" | undefined;
  /** The stored session per peer; 0 if there is none. */
  private readonly stored: Float64Array;

  constructor(options: ClientTransportOptions, tls: ClientTls) {
    super({ ...options, context: tls.context, freeContext: tls.freeContext, sendsFirst: false });
    this.client = options.handler;
    this.endsGreeted = options.endsGreeted;
    this.tls = tls;
    this.stored = new Float64Array(tls.peers.length);
  }

  override state(slot: number): number {
    return this.slots.has(slot, HANDSHAKING) ? SLOT.opening : this.below.state(slot);
  }

  open(): number {
    return this.below.open();
  }

  vacate(slot: number, resets: boolean): void {
    if (!resets) this.sendCloseNotify(slot);
    this.free(slot);
    this.below.vacate(slot, resets);
  }

  reopen(slot: number): boolean {
    return this.below.reopen(slot);
  }

  opened(slot: number): void {
    this.slots.begin(slot, HANDSHAKING);
    this.tls.events.established(slot, this.below);
    this.beginHandshake(slot);
  }

  override dispose(): void {
    for (const session of this.stored) if (session !== 0) this.sessions.freeSession(session);
    this.stored.fill(0);
    super.dispose();
  }

  protected create(slot: number): number {
    const number = this.tls.peerOf(slot);
    const session = this.stored[number]!;
    if (session !== 0) this.slots.set(slot, OFFERED);
    return this.sessions.connect(this.tls.peers[number]!, session);
  }

  protected secured(slot: number, connection: number): void {
    const { slots, tls } = this;
    const isResumed = slots.has(slot, OFFERED) && this.sessions.isResumed(connection);
    if (tls.resumes && !isResumed) {
      // The server no longer accepts the stored session. Replace that session with the next one that the server
      // issues.
      if (slots.has(slot, OFFERED)) this.store(tls.peerOf(slot), 0);
      slots.set(slot, WANTS_SESSION);
    }
    tls.events.secured(slot, isResumed);
    this.client.opened(slot);
  }

  protected deliver(slot: number, bytes: NativeBuffer, length: number): number {
    const used = this.client.received(slot, bytes, 0, length);
    if (this.endsGreeted === undefined || this.state(slot) === SLOT.free) return used;
    if (this.endsGreeted === "reset") this.reset(slot);
    else this.close(slot);
    return used;
  }

  protected decrypted(slot: number, connection: number): void {
    const { slots } = this;
    if (!slots.has(slot, WANTS_SESSION)) return;
    const number = this.tls.peerOf(slot);
    // In TLS 1.3, a ticket follows the handshake, if the server sends one.
    const session = this.stored[number] === 0 ? this.sessions.takeSession(connection) : 0;
    if (session !== 0) this.store(number, session);
    if (this.stored[number] !== 0) slots.clear(slot, WANTS_SESSION);
  }

  private store(number: number, session: number): void {
    const earlier = this.stored[number]!;
    if (earlier !== 0) this.sessions.freeSession(earlier);
    this.stored[number] = session;
  }
}
