// Handles transport events in a server worker: counts them, limits the number of connections, and passes received bytes
// to the exchange. Handlers neither throw nor allocate, except to report peers for the log.
import type { RoleWorker } from "../engine/worker.js";
import { ECONNRESET, EINVAL, ENODEV } from "../linux/syscalls/errno.js";
import type { NativeBuffer } from "../linux/syscalls/libc.js";
import type { PeerAddress, ServerHandler, ServerTransport } from "../transport/contract.js";
import type { ProxyEvents } from "../transport/proxied-server.js";
import type { TlsEvents } from "../transport/tls/options.js";
import { STEP } from "../util/steps.js";
import { Exchange } from "./exchange/exchange.js";
import { COUNTER } from "./metrics.js";
import { type ServeMessage, type ServePlan, SHARED } from "./worker-plan.js";

// Maximum number of peer addresses sent to the main thread but not yet received. Beyond that number, peers are not
// reported.
const REPORTED_AHEAD = 4096;

export class ServerEvents implements ServerHandler, TlsEvents, ProxyEvents {
  /** Why nothing more can be accepted: EINVAL if another program has closed the listening socket, ENODEV; else 0. */
  lostListener = 0;
  private readonly worker: RoleWorker<ServePlan, ServeMessage>;
  private readonly plan: ServePlan;
  private readonly counters: Float64Array;
  private readonly shared: Int32Array;
  private readonly exchange: Exchange;
  private transport!: ServerTransport;
  private peers: PeerAddress[] = [];
  private isFilling = false;

  constructor(worker: RoleWorker<ServePlan, ServeMessage>) {
    this.worker = worker;
    this.plan = worker.plan;
    this.counters = worker.memory.counters;
    this.shared = new Int32Array(worker.plan.shared);
    this.exchange = new Exchange(worker, (slot) => {
      this.transport.close(slot);
      this.forget(slot);
    });
  }

  /** Returns how long the loop may sleep. */
  waitMs(): number {
    return this.exchange.waitMs();
  }

  /** Sets the transport whose events are handled. */
  begin(transport: ServerTransport): void {
    this.transport = transport;
    this.exchange.begin(transport);
  }

  /** Returns whether idle connections may need to send something later. */
  get sendsAtRest(): boolean {
    return this.exchange.sendsAtRest;
  }

  /**
   * Called before all connections are closed.
   * @param resets whether the connections are closed with RST
   */
  finish(resets: boolean): void {
    this.exchange.finish(resets);
  }

  /**
   * Called at the start of a turn.
   * @param isPaused whether memory or file descriptors are running low
   */
  beginTurn(isPaused: boolean): void {
    this.exchange.beginTurn(isPaused);
    this.transport.namesPeers = this.shared[SHARED.logged]! < this.plan.logged;
  }

  /** Called at the end of a turn. This sends what is due, and tells the main thread which peers to log. */
  endTurn(): void {
    this.exchange.keepTime();
    if (this.peers.length === 0) return;
    this.worker.send({ type: "accepted", peers: this.peers });
    this.peers = [];
  }

  awake(): void {
    // No server event needs to know the time.
  }

  accepted(slot: number): void {
    if (this.transport.namesPeers) this.log();
    // With the PROXY protocol, the connection was accepted earlier, before its header arrived.
    if (this.plan.proxyProtocol || this.arrived()) this.exchange.open(slot);
    else this.transport.close(slot);
  }

  arrived(): boolean {
    const counters = this.counters;
    counters[COUNTER.accepted]! += 1;
    const open = Atomics.add(this.shared, SHARED.open, 1) + 1;
    if (open > this.plan.maxConnections) {
      counters[COUNTER.rejected]! += 1;
      Atomics.sub(this.shared, SHARED.open, 1);
      return false;
    }
    // Do not wait for the next turn, because a turn accepts many.
    if (open >= this.plan.watches) this.transport.accepts = false;
    this.raisePeak(open);
    counters[COUNTER.open]! += 1;
    if (!this.isFilling && this.transport.isFilling) {
      this.isFilling = true;
      this.worker.send({ type: "filling" });
    }
    return true;
  }

  identified(version: number, hasClient: boolean): void {
    this.counters[version === 1 ? COUNTER.proxyV1 : COUNTER.proxyV2]! += 1;
    if (!hasClient) this.counters[COUNTER.proxyWithoutClient]! += 1;
  }

  unidentified(step: number, code: number): void {
    this.worker.memory.countFailure(step, code);
    this.leave();
  }

  secured(_slot: number, isResumed: boolean): void {
    this.counters[COUNTER.secured]! += 1;
    if (isResumed) this.counters[COUNTER.resumed]! += 1;
  }

  acceptFailed(errno: number, isFull: boolean): void {
    // accept() fails with EINVAL if the socket no longer listens, which only another program can have brought about.
    // A server without kernel sockets reports ENODEV once its device is gone.
    if (errno === EINVAL || errno === ENODEV) this.lostListener = errno;
    else this.worker.memory.countFailure(STEP.accept, errno);
    if (isFull) this.counters[COUNTER.tableFull]! += 1;
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    return this.exchange.receive(slot, bytes, offset, length);
  }

  sent(slot: number): void {
    this.exchange.resume(slot);
  }

  closed(slot: number): void {
    this.exchange.lost(slot, 0);
    this.forget(slot);
  }

  failed(slot: number, step: number, errno: number): void {
    // A TLS handshake fails before the protocol handshake starts.
    if (step !== STEP.tls && this.exchange.lost(slot, errno)) this.forget(slot);
    else this.endedBy(slot, step, errno);
  }

  /** Releases resources that are not tied to a connection. */
  dispose(): void {
    this.exchange.dispose();
  }

  private endedBy(slot: number, step: number, errno: number): void {
    if (errno === ECONNRESET) this.counters[COUNTER.resets]! += 1;
    else this.worker.memory.countFailure(step === STEP.hold ? STEP.receive : step, errno);
    this.forget(slot);
  }

  /** Releases the state of a connection that has ended. */
  private forget(slot: number): void {
    this.exchange.forget(slot);
    this.leave();
  }

  private leave(): void {
    this.counters[COUNTER.open]! -= 1;
    this.counters[COUNTER.closed]! += 1;
    Atomics.sub(this.shared, SHARED.open, 1);
  }

  private log(): void {
    const peer = this.takeLogPlace() ? this.transport.acceptedPeer() : undefined;
    if (peer) this.peers.push(peer);
    this.transport.namesPeers = this.shared[SHARED.logged]! < this.plan.logged;
  }

  private takeLogPlace(): boolean {
    if (Atomics.load(this.shared, SHARED.logged) - Atomics.load(this.shared, SHARED.reported) >= REPORTED_AHEAD)
      return false;
    if (Atomics.add(this.shared, SHARED.logged, 1) < this.plan.logged) return true;
    Atomics.sub(this.shared, SHARED.logged, 1);
    return false;
  }

  /** Several workers update the peak, so a lower value must not overwrite a higher one. */
  private raisePeak(open: number): void {
    let peak = this.shared[SHARED.peak]!;
    while (open > peak) {
      const found = Atomics.compareExchange(this.shared, SHARED.peak, peak, open);
      if (found === peak) return;
      peak = found;
    }
  }
}
