// Reads the PROXY protocol header of each connection of a server, below TLS and every protocol. The transport or role
// above sees a connection as accepted once its header is complete, along with the client that the header names.
import { ETIMEDOUT } from "../linux/syscalls/errno.js";
import type { NativeBuffer } from "../linux/syscalls/libc.js";
import { grown } from "../protocols/columns.js";
import { PROXY_PARTIAL, ProxyReader } from "../protocols/proxy-protocol/reader.js";
import { formatIp } from "../util/address.js";
import { STEP } from "../util/steps.js";
import type { ConnectionAddresses, PeerAddress, ServerHandler, ServerTransport } from "./contract.js";
import { Deadlines } from "./deadlines.js";
import { SLOT } from "./slot-state.js";

/** Events about PROXY protocol headers, reported to the role from within turn(). */
export interface ProxyEvents {
  /**
   * A connection was accepted, and its header has not arrived yet.
   * @returns false to close the connection
   */
  arrived(): boolean;
  /**
   * The header is complete; accepted() follows.
   *
   * @param version 1 or 2
   * @param hasClient whether the header names a client; otherwise the proxy itself is the peer
   */
  identified(version: number, hasClient: boolean): void;
  /**
   * The connection ended before its header was complete.
   *
   * @param step one of STEP
   * @param code errno, 0 for a FIN, or a FAULT (protocols/codes.ts)
   */
  unidentified(step: number, code: number): void;
}

export interface Proxied {
  readonly events: ProxyEvents;
  /** Timeout of the header. */
  readonly timeoutMs: number;
}

export class ProxiedServer implements ServerTransport, ServerHandler {
  namesPeers = false;
  private readonly handler: ServerHandler;
  private readonly events: ProxyEvents;
  private readonly reader = new ProxyReader();
  private readonly deadlines: Deadlines;
  private below!: ServerTransport;
  /** By slot: 1 if the connection's header is incomplete. To the layers above, these slots are FREE. */
  private waits = new Uint8Array(1024);
  /** Connection being accepted. */
  private slot = 0;
  private nowMs = 0;

  constructor(handler: ServerHandler, { events, timeoutMs }: Proxied) {
    this.handler = handler;
    this.events = events;
    this.deadlines = new Deadlines((slot) => this.fail(slot, ETIMEDOUT), timeoutMs);
  }

  /** Sets the transport that carries the connections. */
  begin(below: ServerTransport): void {
    this.below = below;
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

  get accepts(): boolean {
    return this.below.accepts;
  }

  set accepts(accepts: boolean) {
    this.below.accepts = accepts;
  }

  get isFilling(): boolean {
    return this.below.isFilling;
  }

  state(slot: number): number {
    return this.isPending(slot) ? SLOT.free : this.below.state(slot);
  }

  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    return this.below.send(slot, bytes, offset, length);
  }

  rest(slot: number): void {
    this.below.rest(slot);
  }

  close(slot: number): void {
    this.below.close(slot);
  }

  reset(slot: number): void {
    this.below.reset(slot);
  }

  turn(waitMs: number): void {
    const nowMs = performance.now();
    this.deadlines.endLate(nowMs);
    this.below.turn(Math.min(waitMs, this.deadlines.waitMs(nowMs)));
  }

  addresses(slot: number): ConnectionAddresses | number {
    return this.below.addresses(slot);
  }

  acceptedPeer(): PeerAddress | undefined {
    const client = this.reader.client();
    if (client) return client;
    const ends = this.below.addresses(this.slot);
    if (typeof ends === "number" || !ends.remote) return undefined;
    return { ip: formatIp(ends.remote.ip), port: ends.remote.port };
  }

  closeAll(resets: boolean, isAborted: () => boolean): void {
    this.below.closeAll(resets, isAborted);
  }

  dispose(): void {
    this.below.dispose();
  }

  awake(nowMs: number): void {
    this.nowMs = nowMs;
    this.handler.awake(nowMs);
  }

  accepted(slot: number): void {
    if (!this.events.arrived()) {
      this.below.close(slot);
      return;
    }
    if (slot >= this.waits.length) this.waits = grown(this.waits, slot);
    this.waits[slot] = 1;
    this.deadlines.begin(slot, this.nowMs);
    this.below.rest(slot);
  }

  acceptFailed(errno: number, isFull: boolean): void {
    this.handler.acceptFailed(errno, isFull);
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    if (!this.isPending(slot)) return this.handler.received(slot, bytes, offset, length);
    const { reader } = this;
    const end = reader.read(slot, bytes.bytes, offset, offset + length);
    if (end === PROXY_PARTIAL) return length;
    if (end < 0) {
      this.fail(slot, -end);
      return length;
    }
    this.waits[slot] = 0;
    this.deadlines.end(slot);
    this.slot = slot;
    this.events.identified(reader.version, reader.hasClient);
    this.handler.accepted(slot);
    const used = end - offset;
    if (used === length || this.below.state(slot) === SLOT.free) return length;
    return used + this.handler.received(slot, bytes, end, length - used);
  }

  sent(slot: number): void {
    this.handler.sent(slot);
  }

  closed(slot: number): void {
    if (!this.isPending(slot)) this.handler.closed(slot);
    else this.giveUp(slot, STEP.proxy, 0);
  }

  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void {
    if (!this.isPending(slot)) this.handler.failed(slot, step, errno, isOwnAnswer);
    else this.giveUp(slot, step === STEP.hold ? STEP.proxy : step, errno);
  }

  private isPending(slot: number): boolean {
    return slot < this.waits.length && this.waits[slot] === 1;
  }

  /**
   * Ends a connection without a valid header.
   * @param code errno, or a FAULT
   */
  private fail(slot: number, code: number): void {
    this.giveUp(slot, STEP.proxy, code);
    this.below.close(slot);
  }

  private giveUp(slot: number, step: number, code: number): void {
    this.waits[slot] = 0;
    this.deadlines.end(slot);
    this.reader.drop(slot);
    this.events.unidentified(step, code);
  }
}
