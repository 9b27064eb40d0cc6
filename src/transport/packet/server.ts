// Server transport in user space: accepts connections to addresses that belong to no interface.
import { ENODEV } from "../../linux/syscalls/errno.js";
import { formatIp } from "../../util/address.js";
import type { ServerHandler, ServerTransport, ServerTransportOptions } from "../contract.js";
import { SlotQueue } from "../slot-queue.js";
import { SLOT } from "../slot-state.js";
import type { PacketDevice } from "./devices/device.js";
import type { PacketListener } from "./listener.js";
import { ServerEndpoints } from "./server-endpoints.js";
import { TCP, UNACCEPTED } from "./tcp/connections.js";
import { UNKNOWN } from "./tcp/endpoints.js";
import { DROPPED } from "./tcp/tcp-state.js";
import { PacketTransport } from "./transport.js";

export type PacketServerOptions = Pick<ServerTransportOptions, "handler" | "budget" | "slots" | "backlog"> & {
  readonly device: PacketDevice;
  readonly listener: PacketListener;
  readonly counts?: SharedArrayBuffer | undefined;
  readonly delaysAcks?: boolean | undefined;
};

export class PacketServer extends PacketTransport implements ServerTransport {
  accepts = true;
  namesPeers = false;
  /** Never true, because no descriptor table limits the number of connections. */
  readonly isFilling = false;
  private readonly server: ServerHandler;
  private readonly ends: ServerEndpoints;
  private readonly acceptsAtOnce: number;
  private readonly backlog: number;
  /** ESTABLISHED connections that have not been reported to the role. */
  private readonly acceptQueue = new SlotQueue();
  /** Number of connections in the handshake or in the accept queue. */
  private pending = 0;
  private accepting = -1;

  constructor({ handler, budget, slots, backlog, device, listener, counts, delaysAcks }: PacketServerOptions) {
    const endpoints = new ServerEndpoints(listener);
    super({ handler, budget, slots, device, endpoints, counts, delaysAcks, readsUnsent: false });
    this.server = handler;
    this.ends = endpoints;
    this.acceptsAtOnce = budget.accepts;
    this.backlog = backlog;
  }

  override state(slot: number): number {
    return this.isUnknown(slot) ? SLOT.free : super.state(slot);
  }

  acceptedPeer(): { readonly ip: string; readonly port: number } {
    return { ip: formatIp(this.ends.remoteIp(this.accepting)), port: this.ends.remotePort(this.accepting) };
  }

  arriving(): number {
    const { segment, connections } = this.stack;
    if (this.isMuted || !this.ends.isFor(segment)) return UNKNOWN;
    if (this.pending >= this.backlog) return DROPPED;
    const slot = connections.take();
    this.ends.assign(slot, segment);
    this.pending++;
    return slot;
  }

  established(slot: number): void {
    this.stack.connections.add(slot, UNACCEPTED);
    this.acceptQueue.push(slot);
  }

  override failed(slot: number, errno: number): void {
    if (!this.isUnknown(slot)) {
      super.failed(slot, errno);
      return;
    }
    this.pending--;
    this.stack.forget(slot);
    this.stack.connections.give(slot);
  }

  override canRead(slot: number): boolean {
    return !this.stack.connections.has(slot, UNACCEPTED) && super.canRead(slot);
  }

  protected override get hasMore(): boolean {
    return this.accepts && this.acceptQueue.length > 0;
  }

  protected override finishTurn(): void {
    const { connections } = this.stack;
    if (this.device.isGone) this.server.acceptFailed(ENODEV, false);
    for (let left = this.acceptsAtOnce; this.accepts && left > 0 && this.acceptQueue.length > 0; ) {
      const slot = this.acceptQueue.shift();
      // The peer may have reset the connection, and the slot may now belong to another one.
      if (!connections.has(slot, UNACCEPTED)) continue;
      left--;
      this.pending--;
      connections.remove(slot, UNACCEPTED);
      this.accepting = slot;
      this.server.accepted(slot);
      this.goOnLater(slot);
    }
  }

  /** Whether the connection has not been reported to the role. */
  private isUnknown(slot: number): boolean {
    const { connections } = this.stack;
    return connections.has(slot, UNACCEPTED) || connections.state(slot) === TCP.synReceived;
  }
}
