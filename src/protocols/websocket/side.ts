// What both sides of a WebSocket have in common: a head first, then frames, read as they come. Content is handed on in pieces as long as it
// comes in pieces; what has to be in one piece (heads, frames' headers, control frames) is kept until it is.
import { FAULT } from "../codes.js";
import { grown } from "../columns.js";
import type { Connections, Protocol } from "../contract.js";
import { findHeadEnd, LONGEST_HEAD } from "../http-head.js";
import { Leftovers } from "../leftovers.js";
import {
  CLOSE,
  contentLength,
  FIN,
  headerLength,
  isCloseCode,
  LONGEST_CONTROL,
  MASKED,
  OPCODE,
  RESERVED,
  uint32At,
} from "./frame.js";
import { checkUtf8, UTF8_ACCEPT } from "./utf8.js";

/** The upgrade is done. */
const READY = 1;
/** Some bytes are kept until more come. */
const PARTIAL = 2;
/** A message has begun and not ended. */
const IN_MESSAGE = 4;
/** It is text. */
export const TEXT = 8;
/** The frame that has begun is the message's last. */
const LAST = 16;
/** A ping was sent and not answered. */
const PINGED = 32;
/** A ping is waited for so long at least, however short the interval. */
const LEAST_WAIT_MS = 5000;
/** For a subclass to use; cleared when a message begins. */
export const OWN_MARK = 64;
/** A Close frame was sent or answered: what still comes is nothing to us. */
const CLOSED = 128;

export abstract class WebSocketSide implements Protocol {
  abstract readonly slotBytes: number;
  abstract readonly constants: readonly Uint8Array[];
  readonly replies = "any";
  readonly handshake = "upgrade";
  readonly heartbeatMs: number;
  protected readonly connections: Connections;
  protected flags: Uint8Array<ArrayBuffer>;
  /** Bytes of the current frame's content that are still to come. */
  protected left: Uint32Array<ArrayBuffer>;
  /** Bytes of the current message that have come. */
  protected sizes: Uint32Array<ArrayBuffer>;
  /** What is known of the current message as UTF-8. */
  protected utf8: Uint8Array<ArrayBuffer>;
  /** Heartbeats since the ping that is not answered. */
  protected missed: Uint8Array<ArrayBuffer>;
  private readonly leftovers = new Leftovers();
  private readonly maxMessageBytes: number;
  /** MASKED where the peer has to mask its frames. */
  private readonly peerMask: number;
  /** As many heartbeats without an answer end the connection. */
  private readonly mostMissed: number;
  /** The place of a ping among the constants. */
  private readonly ping: number;

  constructor(
    connections: Connections,
    slots: number,
    options: { pingIntervalMs: number; maxMessageBytes: number; isServer: boolean; ping: number },
  ) {
    this.connections = connections;
    this.heartbeatMs = options.pingIntervalMs;
    this.maxMessageBytes = options.maxMessageBytes;
    this.peerMask = options.isServer ? MASKED : 0;
    this.ping = options.ping;
    this.flags = new Uint8Array(slots);
    this.left = new Uint32Array(slots);
    this.sizes = new Uint32Array(slots);
    this.utf8 = new Uint8Array(slots);
    this.missed = new Uint8Array(slots);
    this.mostMissed = Math.min(255, Math.max(1, Math.ceil(LEAST_WAIT_MS / options.pingIntervalMs)));
  }

  opened(slot: number): void {
    if (slot >= this.flags.length) this.grow(slot);
    this.flags[slot] = 0;
    this.left[slot] = 0;
    this.sizes[slot] = 0;
    // What came behind bytes that could not be answered any more was kept after the connection's end.
    this.leftovers.drop(slot);
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
      this.sayClose(slot, CLOSE.goingAway);
      connections.refused(slot, FAULT.NO_PONG);
      return;
    }
    if (this.isInFrame(slot)) return;
    this.flags[slot]! |= PINGED;
    this.missed[slot] = 0;
    connections.sendConstant(slot, this.ping);
    connections.beaten(slot);
  }

  closing(slot: number): void {
    if ((this.flags[slot]! & (READY | CLOSED)) === READY) this.sayClose(slot, CLOSE.normal);
  }

  closed(slot: number): void {
    if (this.flags[slot]! & PARTIAL) this.leftovers.drop(slot);
    this.flags[slot] = 0;
  }

  /** The head at `start` to `end` has come: answers it or checks it. @returns whether the connection is upgraded; else it is refused */
  protected abstract upgrade(slot: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** The connection is ready. */
  protected abstract begin(slot: number): void;
  /** A data frame begins. @param first of its header @param at where the header begins @param key the mask, as a number */
  protected abstract frame(
    slot: number,
    bytes: Uint8Array,
    at: number,
    first: number,
    length: number,
    key: number,
  ): void;
  /** Content of a message. @returns whether it is UTF-8 as far as it is text */
  protected abstract content(slot: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** A message is over. @returns whether it was UTF-8, if it was text */
  protected abstract message(slot: number): boolean;
  /** The peer's ping, with its content masked as it came. */
  protected abstract pong(slot: number, bytes: Uint8Array, start: number, end: number, key: number): void;
  /** Sends a Close frame. */
  protected abstract sendClose(slot: number, code: number): void;
  /** The peer closes by `code`; the answer is sent. */
  protected abstract closedBy(slot: number, code: number): void;
  /** Whether a frame of ours is sent in part, and the rest comes from the peer. */
  protected abstract isInFrame(slot: number): boolean;
  /** What was read is done with: sends what has gathered. Before anything else is sent, and at the end of what came. */
  protected abstract flush(slot: number): void;

  /** Closes by `code`: the peer is told unless a frame is under way. */
  protected sayClose(slot: number, code: number): void {
    this.flags[slot]! |= CLOSED;
    if (!this.isInFrame(slot)) this.sendClose(slot, code);
  }

  protected grow(slot: number): void {
    this.flags = grown(this.flags, slot);
    this.left = grown(this.left, slot);
    this.sizes = grown(this.sizes, slot);
    this.utf8 = grown(this.utf8, slot);
    this.missed = grown(this.missed, slot);
  }

  private read(slot: number, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    if ((this.flags[slot]! & READY) === 0) {
      at = findHeadEnd(bytes, start, end);
      const length = (at < 0 ? end : at) - start;
      if (length > LONGEST_HEAD || (at < 0 && !this.keep(slot, bytes, start, end))) {
        this.connections.refused(slot, FAULT.HEAD_TOO_LONG);
        return;
      }
      if (at < 0 || !this.upgrade(slot, bytes, start, at)) return;
      this.flags[slot]! |= READY;
      this.connections.ready(slot);
      this.begin(slot);
      if ((this.flags[slot]! & (READY | CLOSED)) !== READY) return;
    }
    if (this.frames(slot, bytes, at, end)) this.flush(slot);
  }

  /** @returns whether the connection goes on */
  private frames(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      const left = this.left[slot]!;
      if (left > 0) {
        const length = Math.min(left, end - at);
        if (!this.take(slot, bytes, at, at + length)) return false;
        at += length;
        continue;
      }
      const length = end - at < 2 ? 2 : headerLength(bytes[at + 1]!);
      if (end - at >= 2 && this.isForbidden(slot, bytes[at]!, bytes[at + 1]!))
        return this.fail(slot, CLOSE.protocolError);
      if (end - at < length) return this.wait(slot, bytes, at, end);
      const content = contentLength(bytes, at);
      const key = this.peerMask ? uint32At(bytes, at + length - 4) : 0;
      const first = bytes[at]!;
      if ((first & 8) === 0) {
        const size = (first & 15) === OPCODE.continuation ? this.sizes[slot]! : 0;
        if (size + content > this.maxMessageBytes) return this.fail(slot, CLOSE.tooBig);
        this.beginFrame(slot, bytes, at, first, content, key);
        at += length;
        // An empty frame has come whole.
        if (content === 0 && !this.endFrame(slot)) return false;
      } else {
        const contentEnd = at + length + content;
        if (contentEnd > end) return this.wait(slot, bytes, at, end);
        if (!this.control(slot, first & 15, bytes, at + length, contentEnd, key)) return false;
        at = contentEnd;
      }
    }
    return true;
  }

  private isForbidden(slot: number, first: number, second: number): boolean {
    const opcode = first & 15;
    if (first & RESERVED || (second & MASKED) !== this.peerMask) return true;
    if (opcode >= OPCODE.close) return opcode > OPCODE.pong || (first & FIN) === 0 || (second & 0x7f) > LONGEST_CONTROL;
    const isInMessage = (this.flags[slot]! & IN_MESSAGE) !== 0;
    return opcode > OPCODE.binary || isInMessage !== (opcode === OPCODE.continuation);
  }

  private beginFrame(slot: number, bytes: Uint8Array, at: number, first: number, length: number, key: number): void {
    let flags = this.flags[slot]! & ~LAST;
    if ((first & 15) !== OPCODE.continuation) {
      flags &= ~(TEXT | OWN_MARK);
      flags |= IN_MESSAGE | ((first & 15) === OPCODE.text ? TEXT : 0);
      this.sizes[slot] = 0;
      this.utf8[slot] = UTF8_ACCEPT;
    }
    this.flags[slot] = flags | (first & FIN ? LAST : 0);
    this.left[slot] = length;
    this.frame(slot, bytes, at, first, length, key);
  }

  /** Content of the current frame. @returns whether the connection goes on */
  private take(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const isText = this.content(slot, bytes, start, end);
    this.sizes[slot]! += end - start;
    this.left[slot]! -= end - start;
    if (!isText) return this.fail(slot, CLOSE.notUtf8);
    return this.left[slot]! > 0 || this.endFrame(slot);
  }

  private endFrame(slot: number): boolean {
    if ((this.flags[slot]! & LAST) === 0) return true;
    if (!this.message(slot)) return this.fail(slot, CLOSE.notUtf8);
    this.flags[slot]! &= ~IN_MESSAGE;
    this.sizes[slot] = 0;
    return true;
  }

  private control(slot: number, opcode: number, bytes: Uint8Array, start: number, end: number, key: number): boolean {
    if (opcode === OPCODE.ping) this.pong(slot, bytes, start, end, key);
    else if (opcode === OPCODE.pong) {
      if (this.flags[slot]! & PINGED) this.connections.alive(slot);
      this.flags[slot]! &= ~PINGED;
    } else {
      this.close(slot, bytes, start, end, key);
      return false;
    }
    return true;
  }

  private close(slot: number, bytes: Uint8Array, start: number, end: number, key: number): void {
    for (let at = start, shift = 24; at < end; at++, shift = (shift + 24) & 31) bytes[at]! ^= key >>> shift;
    const code = end - start >= 2 ? (bytes[start]! << 8) | bytes[start + 1]! : CLOSE.none;
    if (end - start === 1 || (end > start && !isCloseCode(code))) this.fail(slot, CLOSE.protocolError);
    else if (checkUtf8(UTF8_ACCEPT, bytes, start + 2, end) !== UTF8_ACCEPT) this.fail(slot, CLOSE.notUtf8);
    else {
      this.flush(slot);
      this.sayClose(slot, code);
      this.closedBy(slot, code);
    }
  }

  /** The peer does what it must not: says so, and ends it. */
  private fail(slot: number, code: number): false {
    this.flush(slot);
    this.sayClose(slot, code);
    // What came of the message is part of none.
    this.sizes[slot] = 0;
    const fault = code === CLOSE.tooBig ? "MESSAGE_TOO_BIG" : code === CLOSE.notUtf8 ? "BAD_UTF8" : "BAD_FRAME";
    this.connections.refused(slot, FAULT[fault]);
    return false;
  }

  private wait(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.keep(slot, bytes, start, end)) return true;
    this.connections.refused(slot, FAULT.HEAD_TOO_LONG);
    return false;
  }

  private keep(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.leftovers.keep(slot, bytes, start, end)) return false;
    this.flags[slot]! |= PARTIAL;
    return true;
  }
}
