// Exchanges bytes over a server's connections, and hosts the protocol. Bytes that a peer does not read stay in the
// kernel or in bounded memory here.

import { FirstReads } from "../../engine/first-reads.js";
import { type HeartbeatCarrier, Heartbeats } from "../../engine/heartbeats.js";
import { PendingHandshakes } from "../../engine/pending-handshakes.js";
import { CommonProtocolCounts } from "../../engine/protocol-counts.js";
import { scriptHostOf } from "../../engine/script/host.js";
import { Outgoing } from "../../engine/sending/outgoing.js";
import { PendingCloses } from "../../engine/sending/pending-closes.js";
import { Unsent } from "../../engine/sending/unsent.js";
import type { RoleWorker } from "../../engine/worker.js";
import { ECONNRESET, EPIPE, ETIMEDOUT } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import type { Connections, Protocol } from "../../protocols/contract.js";
import { createServerProtocol } from "../../protocols/create.js";
import { startsWithProxyHeader } from "../../protocols/proxy-protocol/format.js";
import type { Rows } from "../../protocols/scripted/file/rows.js";
import type { ServerTransport } from "../../transport/contract.js";
import { SLOT } from "../../transport/slot-state.js";
import { STEP } from "../../util/steps.js";
import { COUNTER, SERVER_METRICS } from "../metrics.js";
import { type ServeMessage, type ServePlan, SHARED } from "../worker-plan.js";

export class Exchange extends CommonProtocolCounts implements Connections, HeartbeatCarrier {
  /** Returns whether idle connections may need to send something later. */
  readonly sendsAtRest: boolean;
  private readonly protocol: Protocol;
  private readonly echoes: boolean;
  private readonly rows: Rows | undefined;
  private readonly unsent: Unsent;
  private readonly end: (slot: number) => void;
  /** Connections whose handshake is not complete; undefined for a protocol without a handshake. */
  private readonly pending: PendingHandshakes | undefined;
  private readonly heartbeats: Heartbeats | undefined;
  private transport!: ServerTransport;
  private outgoing!: Outgoing;
  /**
   * True while memory or file descriptors are running low. While this is set, nothing more is stored for peers that do
   * not read.
   */
  private isPaused = false;
  private readonly pendingCloses = new PendingCloses();
  private readonly firstReads = new FirstReads();
  /** The buffer that holds the bytes currently passed to the protocol. */
  private received: NativeBuffer | undefined;
  /** True while handling bytes that were only peeked at. Bytes that are not echoed at once stay in the kernel. */
  private isPeeking = false;
  private echoedBytes = 0;

  /**
   * @param end function that closes a connection and counts it
   * @param create creates the protocol
   */
  constructor(
    worker: Pick<RoleWorker<ServePlan, ServeMessage>, "plan" | "memory">,
    end: (slot: number) => void,
    create = createServerProtocol,
  ) {
    super(worker.memory, COUNTER);
    this.end = end;
    const scriptHost = scriptHostOf(worker.plan, worker.memory, SERVER_METRICS.layout);
    this.rows = scriptHost?.rows;
    this.protocol = create(this, { ...worker.plan, scriptHost });
    this.echoes = this.protocol.replies === "echo";
    this.sendsAtRest = this.protocol.replies !== "none" || this.protocol.heartbeatMs > 0;
    const { handshake, heartbeatMs } = this.protocol;
    if (handshake !== "none") this.pending = new PendingHandshakes(STEP[handshake], worker.plan.handshakeTimeoutMs);
    if (heartbeatMs > 0) this.heartbeats = new Heartbeats(this, heartbeatMs, performance.now());
    this.unsent = new Unsent(new Int32Array(worker.plan.shared), SHARED.unsentBlocks);
  }

  /** Sets the transport that carries the connections. */
  begin(transport: ServerTransport): void {
    this.transport = transport;
    this.outgoing = new Outgoing(transport, this.protocol.constants, this.unsent);
  }

  /**
   * Called at the start of a turn.
   * @param isPaused whether memory or file descriptors are running low
   */
  beginTurn(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.checkRoom();
  }

  /** Returns how long the loop may sleep: until the next heartbeat or handshake timeout, or Infinity without either. */
  waitMs(): number {
    const { pending, heartbeats, transport } = this;
    if (!pending && !heartbeats) return Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    const untilBeat = heartbeats?.nextInMs(nowMs, transport.end) ?? Number.POSITIVE_INFINITY;
    return Math.min(untilBeat, pending?.waitMs(nowMs) ?? Number.POSITIVE_INFINITY);
  }

  /** Sends due heartbeats and closes connections whose handshake has timed out. */
  keepTime(): void {
    const { pending, heartbeats, transport } = this;
    if (!pending && !heartbeats) return;
    const nowMs = performance.now();
    heartbeats?.sendDue(nowMs, transport.end);
    if (!pending?.mustCheck(nowMs)) return;
    for (let slot = 0; slot < transport.end; slot++) {
      if (pending.isLate(slot, nowMs)) this.refused(slot, ETIMEDOUT);
    }
  }

  /** Called when a new connection occupies `slot`. */
  open(slot: number): void {
    this.pending?.begin(slot, performance.now());
    this.firstReads.begin(slot);
    this.protocol.opened(slot);
    this.rest(slot);
  }

  /**
   * Passes received bytes to the protocol.
   * @returns number of bytes used
   */
  receive(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    this.received = bytes;
    if (this.firstReads.take(slot) && startsWithProxyHeader(bytes.bytes, offset, offset + length)) {
      this.counters[COUNTER.unexpectedProxyHeaders]! += 1;
    }
    if (this.transport.peeks) return this.echoUnkept(slot, bytes, offset, length);
    this.counters[COUNTER.receivedBytes]! += length;
    this.protocol.received(slot, bytes.bytes, offset, offset + length);
    return length;
  }

  /** Called when the connection accepts bytes again. */
  resume(slot: number): void {
    const { transport, outgoing } = this;
    this.count(slot, outgoing.resume(slot));
    this.checkRoom();
    if (transport.state(slot) === SLOT.free || outgoing.isSending(slot)) return;
    if (this.pendingCloses.has(slot)) this.end(slot);
    else this.rest(slot);
  }

  /** Releases everything stored for the connection in `slot`, which has ended. */
  forget(slot: number): void {
    this.pending?.end(slot);
    this.pendingCloses.end(slot);
    this.outgoing.drop(slot);
    this.protocol.closed(slot);
    this.checkRoom();
  }

  /**
   * Called before all connections are closed.
   * @param resets whether the connections are closed with RST
   */
  finish(resets: boolean): void {
    const { protocol, transport, outgoing } = this;
    for (let slot = 0; slot < transport.end; slot++) {
      if (transport.state(slot) === SLOT.free) continue;
      if (!resets && !outgoing.isSending(slot)) protocol.closing(slot);
      protocol.closed(slot);
    }
  }

  /** Releases resources that are not tied to a connection. */
  dispose(): void {
    this.rows?.close();
  }

  sendConstant(slot: number, place: number): void {
    if (this.isOpen(slot)) this.count(slot, this.outgoing.sendConstant(slot, place));
  }

  send(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const { received, outgoing } = this;
    const isReceived = received !== undefined && bytes === received.bytes;
    if (this.isPeeking && isReceived) this.echoedBytes = this.transport.send(slot, received, start, end - start);
    else if (!this.isOpen(slot)) return;
    else if (isReceived) this.count(slot, outgoing.send(slot, received, start, end));
    else this.count(slot, outgoing.sendCopy(slot, bytes, start, end));
  }

  ready(slot: number): void {
    this.counters[COUNTER.ready]! += 1;
    this.pending?.end(slot);
  }

  refused(slot: number, code: number): void {
    if (!this.isOpen(slot)) return;
    this.memory.countFailure(this.step(slot), code);
    this.end(slot);
  }

  /**
   * Counts a failure if the peer ended the connection during its handshake.
   * @param errno 0 for a FIN
   */
  lost(slot: number, errno: number): boolean {
    if (!this.pending?.has(slot)) return false;
    this.memory.countFailure(this.pending.step, errno);
    return true;
  }

  beat(slot: number): void {
    if (!this.isOpen(slot) || this.outgoing.isSending(slot) || this.pending?.has(slot)) return;
    this.protocol.beat(slot);
  }

  close(slot: number): void {
    if (!this.isOpen(slot)) return;
    if (this.outgoing.isSending(slot)) this.pendingCloses.begin(slot);
    else this.end(slot);
  }

  /** Returns the step that a connection is in. */
  private step(slot: number): number {
    return this.pending?.has(slot) ? this.pending.step : STEP.receive;
  }

  private isOpen(slot: number): boolean {
    return this.transport.state(slot) !== SLOT.free;
  }

  /** Marks a connection that has nothing to send as idle until its peer sends. */
  private rest(slot: number): void {
    if (this.transport.state(slot) === SLOT.opened && !this.outgoing.isSending(slot)) this.transport.rest(slot);
  }

  /**
   * Echoes as much as the peer accepts, and leaves the rest unread in the kernel until the peer reads.
   * @returns number of bytes echoed
   */
  private echoUnkept(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    this.echoedBytes = 0;
    this.isPeeking = true;
    this.protocol.received(slot, bytes.bytes, offset, offset + length);
    this.isPeeking = false;
    const sent = this.echoedBytes;
    if (sent < 0) {
      this.failToSend(slot, -sent);
      return 0;
    }
    this.counters[COUNTER.receivedBytes]! += sent;
    this.counters[COUNTER.sentBytes]! += sent;
    return sent;
  }

  /**
   * @param sent bytes sent, or a negative errno
   */
  private count(slot: number, sent: number): void {
    if (sent < 0) this.failToSend(slot, -sent);
    else this.counters[COUNTER.sentBytes]! += sent;
    // Only bytes that are stored for later take up memory.
    if (this.outgoing.isSending(slot)) this.checkRoom();
  }

  private failToSend(slot: number, errno: number): void {
    if (errno === ECONNRESET || errno === EPIPE) this.counters[COUNTER.resets]! += 1;
    else this.memory.countFailure(STEP.send, errno);
    this.end(slot);
  }

  /** Echoes only as much as each peer accepts while nothing more can be stored. */
  private checkRoom(): void {
    if (this.echoes) this.transport.peeks = this.isPaused || !this.outgoing.hasRoom;
  }
}
