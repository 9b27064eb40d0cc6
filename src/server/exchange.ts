// What goes over a server's connections: the host of its protocol. What a peer does not take waits: in the kernel, or in a bounded place
// here.

import { type HeartbeatCarrier, Heartbeats } from "../engine/heartbeats.js";
import { PendingHandshakes } from "../engine/pending-handshakes.js";
import { Outgoing } from "../engine/sending/outgoing.js";
import { Unsent } from "../engine/sending/unsent.js";
import type { RoleWorker } from "../engine/worker.js";
import type { WorkerMemory } from "../engine/worker-memory.js";
import { ECONNRESET, EPIPE, ETIMEDOUT } from "../linux/syscalls/errno.js";
import type { NativeBuffer } from "../linux/syscalls/libc.js";
import { grown } from "../protocols/columns.js";
import type { Connections, Protocol } from "../protocols/contract.js";
import { createServerProtocol } from "../protocols/create.js";
import type { ServerTransport } from "../transport/contract.js";
import { SLOT } from "../transport/slot-state.js";
import { STEP } from "../util/steps.js";
import { COUNTER } from "./metrics.js";
import { type ServeMessage, type ServePlan, SHARED } from "./worker-plan.js";

export class Exchange implements Connections, HeartbeatCarrier {
  /** Whether connections at rest may have something to send later on. */
  readonly sendsAtRest: boolean;
  private readonly memory: WorkerMemory;
  private readonly counters: Float64Array;
  private readonly protocol: Protocol;
  private readonly echoes: boolean;
  private readonly unsent: Unsent;
  private readonly end: (slot: number) => void;
  /** Connections that are not ready yet; undefined where they are so at once. */
  private readonly pending: PendingHandshakes | undefined;
  private readonly heartbeats: Heartbeats | undefined;
  private transport!: ServerTransport;
  private outgoing!: Outgoing;
  /** Memory is at its floor: nothing more is kept for peers that do not read. */
  private isPaused = false;
  /** By slot, 1 where the connection is closed once all its bytes are sent. Up to the highest slot that has ever been closed so. */
  private ending = new Uint8Array(0);
  /** Where the bytes are that the protocol is told of. */
  private received: NativeBuffer | undefined;
  /** What is told was not taken out of the kernel: bytes that do not go back at once stay there. */
  private isPeeking = false;
  private echoedBytes = 0;

  /** @param end closes a connection and counts that @param create makes the protocol */
  constructor(
    worker: Pick<RoleWorker<ServePlan, ServeMessage>, "plan" | "memory">,
    end: (slot: number) => void,
    create = createServerProtocol,
  ) {
    this.memory = worker.memory;
    this.counters = worker.memory.counters;
    this.end = end;
    this.protocol = create(this, worker.plan);
    this.echoes = this.protocol.replies === "echo";
    this.sendsAtRest = this.protocol.replies !== "none" || this.protocol.heartbeatMs > 0;
    const { handshake, heartbeatMs } = this.protocol;
    if (handshake !== "none") this.pending = new PendingHandshakes(STEP[handshake], worker.plan.handshakeTimeoutMs);
    if (heartbeatMs > 0) this.heartbeats = new Heartbeats(this, heartbeatMs, performance.now());
    this.unsent = new Unsent(new Int32Array(worker.plan.shared), SHARED.unsentChunks);
  }

  /** Tells what carries the connections. */
  begin(transport: ServerTransport): void {
    this.transport = transport;
    this.outgoing = new Outgoing(transport, this.protocol.constants, this.unsent);
  }

  /** A turn begins. @param isPaused memory is at its floor */
  beginTurn(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.lookForRoom();
  }

  /** How long the loop may sleep: until a heartbeat or the end of a handshake's time; Infinity without either. */
  waitMs(): number {
    const { pending, heartbeats, transport } = this;
    if (!pending && !heartbeats) return Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    const untilBeat = heartbeats?.nextInMs(nowMs, transport.end) ?? Number.POSITIVE_INFINITY;
    return Math.min(untilBeat, pending?.waitMs(nowMs) ?? Number.POSITIVE_INFINITY);
  }

  /** Sends the heartbeats that are due, and gives up on handshakes that take too long. */
  keepTime(): void {
    const { pending, heartbeats, transport } = this;
    if (!pending && !heartbeats) return;
    const nowMs = performance.now();
    heartbeats?.sendDue(nowMs, transport.end);
    if (!pending?.mustLook(nowMs)) return;
    for (let slot = 0; slot < transport.end; slot++) {
      if (pending.isLate(slot, nowMs)) this.refused(slot, ETIMEDOUT);
    }
  }

  /** A new connection in `slot`. */
  open(slot: number): void {
    this.pending?.begin(slot, performance.now());
    this.protocol.opened(slot);
    this.rest(slot);
  }

  /** Tells the protocol what came. @returns how much of it is used */
  receive(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    this.received = bytes;
    if (this.transport.peeks) return this.echoUnkept(slot, bytes, offset, length);
    this.counters[COUNTER.receivedBytes]! += length;
    this.protocol.received(slot, bytes.bytes, offset, offset + length);
    return length;
  }

  /** The transport takes more. */
  resume(slot: number): void {
    const { transport, outgoing } = this;
    this.count(slot, outgoing.resume(slot));
    this.lookForRoom();
    if (transport.state(slot) === SLOT.free || outgoing.isSending(slot)) return;
    if (this.ending[slot] === 1) this.end(slot);
    else this.rest(slot);
  }

  /** The connection in `slot` has ended: nothing is kept for it any more. */
  forget(slot: number): void {
    this.pending?.end(slot);
    if (slot < this.ending.length) this.ending[slot] = 0;
    this.outgoing.drop(slot);
    this.protocol.closed(slot);
    this.lookForRoom();
  }

  /** All connections are about to be closed. @param resets by RST */
  finish(resets: boolean): void {
    const { protocol, transport, outgoing } = this;
    for (let slot = 0; slot < transport.end; slot++) {
      if (transport.state(slot) === SLOT.free) continue;
      if (!resets && !outgoing.isSending(slot)) protocol.closing(slot);
      protocol.closed(slot);
    }
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

  /** The peer has ended the connection in `slot`: in the midst of a handshake that is a failure. @param errno 0 for its FIN */
  lost(slot: number, errno: number): boolean {
    if (!this.pending?.has(slot)) return false;
    this.memory.countFailure(this.pending.step, errno);
    return true;
  }

  beat(slot: number): void {
    if (!this.isOpen(slot) || this.outgoing.isSending(slot) || this.pending?.has(slot)) return;
    this.protocol.beat(slot);
  }

  beaten(_slot: number): void {
    this.counters[COUNTER.sentHeartbeats]! += 1;
  }

  alive(_slot: number): void {
    this.counters[COUNTER.answeredHeartbeats]! += 1;
  }

  close(slot: number): void {
    if (!this.isOpen(slot)) return;
    if (!this.outgoing.isSending(slot)) {
      this.end(slot);
      return;
    }
    if (slot >= this.ending.length) this.ending = grown(this.ending, slot);
    this.ending[slot] = 1;
  }

  /** What a connection is in the midst of. */
  private step(slot: number): number {
    return this.pending?.has(slot) ? this.pending.step : STEP.receive;
  }

  private isOpen(slot: number): boolean {
    return this.transport.state(slot) !== SLOT.free;
  }

  /** A connection that has nothing to send waits for its peer. */
  private rest(slot: number): void {
    if (this.transport.state(slot) === SLOT.opened && !this.outgoing.isSending(slot)) this.transport.rest(slot);
  }

  /** Echoes what is taken and leaves the rest where it is: unread, until the peer reads. @returns how much that was */
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

  /** @param sent bytes that were taken, or a negative errno */
  private count(slot: number, sent: number): void {
    if (sent < 0) this.failToSend(slot, -sent);
    else this.counters[COUNTER.sentBytes]! += sent;
    // Only what was kept has taken room.
    if (this.outgoing.isSending(slot)) this.lookForRoom();
  }

  private failToSend(slot: number, errno: number): void {
    if (errno === ECONNRESET || errno === EPIPE) this.counters[COUNTER.resets]! += 1;
    else this.memory.countFailure(STEP.send, errno);
    this.end(slot);
  }

  /** Where no more can be kept, an echo is sent only as far as its peer takes it. */
  private lookForRoom(): void {
    if (this.echoes) this.transport.peeks = this.isPaused || !this.outgoing.hasRoom;
  }
}
