// Scripts over WebSocket: each message is a frame for the script, and whatever the script sends becomes a
// message. Upgrade, control frames and pings work as in WebSocket runs.
import { randomBytes } from "node:crypto";
import { FAULT } from "../codes.js";
import type { ClientConnections, Connections, Handshake } from "../contract.js";
import type { WebSocketSpec } from "../spec/spec.js";
import { UTF8_ACCEPT } from "../utf8.js";
import { WebSocketClient } from "../websocket/client.js";
import { CLOSE } from "../websocket/frame.js";
import { TEXT } from "../websocket/frame-reader.js";
import { WebSocketServer } from "../websocket/server.js";
import type { Link } from "./link.js";
import { MessageParts, WebSocketLink } from "./messages.js";
import type { ScriptedSide } from "./side.js";

/** Creates the side that runs the script over the given link. */
type CreateSide = (link: Link) => ScriptedSide;

export class ScriptedWebSocketClient extends WebSocketClient {
  override readonly slotBytes: number;
  override readonly handshake: Handshake;
  override readonly heartbeatMs: number;
  override readonly isAnswered: boolean;
  readonly isBusy?: (slot: number) => boolean;
  private readonly script: ScriptedSide;
  private readonly parts = new MessageParts();

  constructor(connections: ClientConnections, spec: WebSocketSpec, slots: number, create: CreateSide) {
    const mask = randomBytes(4);
    super(connections, { spec, slots, mask });
    this.script = create(new WebSocketLink(connections, (slot, code) => this.closeWith(slot, code), mask));
    const { script } = this;
    this.slotBytes = 11 + script.slotBytes;
    this.handshake = script.handshake === "none" ? "upgrade" : script.handshake;
    this.heartbeatMs = script.heartbeatMs || spec.pingIntervalMs;
    this.isAnswered = script.isAnswered;
    if (script.isBusy) this.isBusy = script.isBusy;
  }

  override received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    super.received(slot, bytes, start, end);
    if (!this.parts.keep(slot)) this.refuse(slot, CLOSE.tooBig, FAULT.FRAME_TOO_LONG);
  }

  override due(slot: number): void {
    this.script.due(slot);
  }

  override beat(slot: number): void {
    if (this.script.heartbeatMs > 0) this.script.beat(slot);
    else super.beat(slot);
  }

  override closing(slot: number): void {
    if (this.isUpgraded(slot)) this.script.closing(slot);
    super.closing(slot);
  }

  override closed(slot: number): void {
    this.parts.drop(slot);
    this.script.closed(slot);
    super.closed(slot);
  }

  protected override begin(slot: number): void {
    this.script.opened(slot);
  }

  protected override content(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.parts.add(slot, bytes, start, end)) return super.content(slot, bytes, start, end);
    this.refuse(slot, CLOSE.tooBig, FAULT.FRAME_TOO_LONG);
    return false;
  }

  protected override message(slot: number): boolean {
    if (this.flags[slot]! & TEXT && this.utf8[slot] !== UTF8_ACCEPT) return false;
    this.parts.deliver(this.script, slot);
    return true;
  }
}

export class ScriptedWebSocketServer extends WebSocketServer {
  override readonly slotBytes: number;
  override readonly handshake: Handshake;
  override readonly heartbeatMs: number;
  private readonly script: ScriptedSide;
  private readonly parts = new MessageParts();

  constructor(connections: Connections, spec: WebSocketSpec, create: CreateSide) {
    super(connections, { spec, mode: "discard", greeting: "", closeAfterGreeting: false });
    const link = new WebSocketLink(connections, (slot, code) => {
      // Pongs come first, because nothing may follow the close frame.
      this.flush(slot);
      this.closeWith(slot, code);
    });
    this.script = create(link);
    const { script } = this;
    this.slotBytes = 15 + script.slotBytes;
    this.handshake = script.handshake === "none" ? "upgrade" : script.handshake;
    this.heartbeatMs = script.heartbeatMs || spec.pingIntervalMs;
  }

  override received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    super.received(slot, bytes, start, end);
    if (!this.parts.keep(slot)) this.refuse(slot, CLOSE.tooBig, FAULT.FRAME_TOO_LONG);
  }

  override beat(slot: number): void {
    if (this.script.heartbeatMs > 0) this.script.beat(slot);
    else super.beat(slot);
  }

  override closing(slot: number): void {
    if (this.isUpgraded(slot)) this.script.closing(slot);
    super.closing(slot);
  }

  override closed(slot: number): void {
    this.parts.drop(slot);
    this.script.closed(slot);
    super.closed(slot);
  }

  protected override begin(slot: number): void {
    this.script.opened(slot);
  }

  protected override content(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    // This unmasks the content in place.
    const isText = super.content(slot, bytes, start, end);
    if (!this.parts.add(slot, bytes, start, end)) this.refuse(slot, CLOSE.tooBig, FAULT.FRAME_TOO_LONG);
    return isText;
  }

  /** The pong overwrites bytes that have been read, which may belong to a message. */
  protected override pong(slot: number, bytes: Uint8Array, start: number, end: number, key: number): void {
    if (!this.parts.keep(slot)) this.refuse(slot, CLOSE.tooBig, FAULT.FRAME_TOO_LONG);
    else super.pong(slot, bytes, start, end, key);
  }

  protected override message(slot: number): boolean {
    if (this.flags[slot]! & TEXT && this.utf8[slot] !== UTF8_ACCEPT) return false;
    this.parts.deliver(this.script, slot);
    return true;
  }
}
