// Base class of both sides of a WebSocket: parses the head, hands frames to the reader, and sends pings as heartbeats.
import { FAULT } from "../codes.js";
import { grown } from "../columns.js";
import { type Connections, type Handshake, LEAST_HEARTBEAT_GAP, type Protocol } from "../contract.js";
import { HEAD, Heads } from "../http-head.js";
import { CLOSE } from "./frame.js";
import { CLOSED, FrameReader, PARTIAL, PINGED, READY } from "./frame-reader.js";

/** Minimum time to wait for a pong, however short the interval. */
const LEAST_WAIT_MS = 5000;

export abstract class WebSocketSide extends FrameReader implements Protocol {
  abstract readonly slotBytes: number;
  abstract readonly constants: readonly Uint8Array[];
  readonly replies = "any";
  readonly handshake: Handshake = "upgrade";
  readonly heartbeatMs: number;
  private readonly heads = new Heads(this.leftovers);
  /** Number of heartbeats since the unanswered ping. */
  private missed: Uint8Array<ArrayBuffer>;
  /** Number of heartbeats without a pong after which this side ends the connection. */
  private readonly mostMissed: number;
  /** Index of the ping among the constants. */
  private readonly ping: number;

  constructor(
    connections: Connections,
    slots: number,
    options: { pingIntervalMs: number; maxMessageBytes: number; isServer: boolean; ping: number },
  ) {
    super(connections, slots, options);
    this.heartbeatMs = options.pingIntervalMs;
    this.ping = options.ping;
    this.missed = new Uint8Array(slots);
    this.mostMissed = Math.min(255, Math.max(1, Math.ceil(LEAST_WAIT_MS / (LEAST_HEARTBEAT_GAP * this.heartbeatMs))));
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const flags = this.flags[slot]!;
    if (flags & CLOSED) return;
    if ((flags & PARTIAL) === 0) {
      this.read(slot, bytes, start, end);
      return;
    }
    this.flags[slot]! &= ~PARTIAL;
    const length = this.leftovers.join(slot, bytes, start, end);
    this.read(slot, this.leftovers.joined, 0, length);
  }

  beat(slot: number): void {
    const { connections } = this;
    if (this.flags[slot]! & PINGED) {
      this.missed[slot]! += 1;
      if (this.missed[slot]! < this.mostMissed) return;
      this.refuse(slot, CLOSE.internalError, FAULT.NO_PONG);
      return;
    }
    if (this.isInFrame(slot)) return;
    this.flags[slot]! |= PINGED;
    this.missed[slot] = 0;
    connections.sendConstant(slot, this.ping);
    connections.beaten(slot);
  }

  closing(slot: number): void {
    if (this.isUpgraded(slot)) this.closeWith(slot, CLOSE.normal);
  }

  closed(slot: number): void {
    this.leftovers.drop(slot);
    this.flags[slot] = 0;
  }

  /**
   * Answers (server) or checks (client) the head at `start` to `end`.
   * @returns whether the connection is upgraded; if not, the connection has been refused
   */
  protected abstract upgrade(slot: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** The connection is upgraded. Calls `ready`. */
  protected abstract begin(slot: number): void;

  protected override grow(slot: number): void {
    super.grow(slot);
    this.missed = grown(this.missed, slot);
  }

  private read(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const at = (this.flags[slot]! & READY) === 0 ? this.readHead(slot, bytes, start, end) : start;
    if (at >= 0 && this.frames(slot, bytes, at, end)) this.flush(slot);
  }

  /** @returns start of the frames; -1 as long as the upgrade has not completed */
  private readHead(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { heads } = this;
    const at = heads.read(slot, bytes, start, end);
    if (at === HEAD.tooLong) this.connections.refused(slot, FAULT.HEAD_TOO_LONG);
    if (at < 0 || !this.upgrade(slot, heads.bytes, heads.start, heads.end)) return -1;
    this.flags[slot]! |= READY;
    this.begin(slot);
    return this.isUpgraded(slot) ? at : -1;
  }
}
