// Reads and checks WebSocket frames as they arrive. The frames' content is passed on in pieces. Parts that must be
// complete (frame headers, control frames) are buffered until they have arrived.
import { FAULT } from "../codes.js";
import { grown } from "../columns.js";
import type { Connections } from "../contract.js";
import { Leftovers } from "../leftovers.js";
import { checkUtf8, UTF8_ACCEPT } from "../utf8.js";
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

// Bits of `flags`.
/** The upgrade has completed. */
export const READY = 1;
/** An incomplete frame is buffered. */
export const PARTIAL = 2;
/** A message has begun but not ended. */
const IN_MESSAGE = 4;
/** The current message is text. */
export const TEXT = 8;
/** The current frame is the last of its message. */
const LAST = 16;
/** A ping is unanswered. */
export const PINGED = 32;
/** Reserved for subclasses; cleared when a message begins. */
export const OWN_MARK = 64;
/** A Close frame has been sent or answered. Further input is ignored. */
export const CLOSED = 128;

export abstract class FrameReader {
  protected readonly connections: Connections;
  protected flags: Uint8Array<ArrayBuffer>;
  /** Remaining content bytes of the current frame. */
  protected left: Uint32Array<ArrayBuffer>;
  /** Bytes of the current message received so far. */
  protected sizes: Uint32Array<ArrayBuffer>;
  /** UTF-8 decoder state of the current message. */
  protected utf8: Uint8Array<ArrayBuffer>;
  protected readonly leftovers = new Leftovers();
  private readonly maxMessageBytes: number;
  /** MASKED if the peer must mask its frames. */
  private readonly peerMask: number;

  constructor(connections: Connections, slots: number, options: { maxMessageBytes: number; isServer: boolean }) {
    this.connections = connections;
    this.maxMessageBytes = options.maxMessageBytes;
    this.peerMask = options.isServer ? MASKED : 0;
    this.flags = new Uint8Array(slots);
    this.left = new Uint32Array(slots);
    this.sizes = new Uint32Array(slots);
    this.utf8 = new Uint8Array(slots);
  }

  opened(slot: number): void {
    if (slot >= this.flags.length) this.grow(slot);
    this.flags[slot] = 0;
    this.left[slot] = 0;
    this.sizes[slot] = 0;
    // Input may still have been buffered after the slot's previous connection ended.
    this.leftovers.drop(slot);
  }

  /**
   * A data frame begins.
   * @param first byte of the frame's header
   * @param at start of the header
   * @param key mask as a number
   */
  protected abstract frame(
    slot: number,
    bytes: Uint8Array,
    at: number,
    first: number,
    length: number,
    key: number,
  ): void;
  /**
   * Handles message content.
   * @returns whether the content is valid UTF-8, or is not text
   */
  protected abstract content(slot: number, bytes: Uint8Array, start: number, end: number): boolean;
  /**
   * Handles the end of a message.
   * @returns whether the message was valid UTF-8, or was not text
   */
  protected abstract message(slot: number): boolean;
  /** Called to answer the peer's ping, whose content is still masked. */
  protected abstract pong(slot: number, bytes: Uint8Array, start: number, end: number, key: number): void;
  /** Sends a Close frame. */
  protected abstract sendClose(slot: number, code: number): void;
  /** Called when the peer has closed with `code`, and the reply has been sent. */
  protected abstract closedBy(slot: number, code: number): void;
  /** Whether a frame from this side has been sent only in part, and the rest depends on the peer's input. */
  protected abstract isInFrame(slot: number): boolean;
  /** Sends gathered output. Called before anything else is sent and at the end of each read. */
  protected abstract flush(slot: number): void;

  /** Returns whether messages can be exchanged. */
  protected isUpgraded(slot: number): boolean {
    return (this.flags[slot]! & (READY | CLOSED)) === READY;
  }

  /** Closes with `code`. Sends a Close frame unless a frame from this side is incomplete. */
  protected closeWith(slot: number, code: number): void {
    this.flags[slot]! |= CLOSED;
    if (!this.isInFrame(slot)) this.sendClose(slot, code);
  }

  /**
   * Closes with `code` and ends the connection, unless sending has already ended it.
   * @param fault one of FAULT
   */
  protected refuse(slot: number, code: number, fault: number): void {
    this.flush(slot);
    if (!this.isUpgraded(slot)) return;
    this.closeWith(slot, code);
    // The incomplete message is not counted.
    this.sizes[slot] = 0;
    if (this.isClosing(slot)) this.connections.refused(slot, fault);
  }

  protected grow(slot: number): void {
    this.flags = grown(this.flags, slot);
    this.left = grown(this.left, slot);
    this.sizes = grown(this.sizes, slot);
    this.utf8 = grown(this.utf8, slot);
  }

  /**
   * Reads frames.
   * @returns whether the connection is still open
   */
  protected frames(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
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
        // An empty frame is already complete.
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

  /**
   * Buffers the beginning of a part that must be read as a whole.
   * @returns whether there was room
   */
  private keep(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.leftovers.keep(slot, bytes, start, end)) return false;
    this.flags[slot]! |= PARTIAL;
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

  /**
   * Handles content of the current frame.
   * @returns whether the connection is still open
   */
  private take(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const isText = this.content(slot, bytes, start, end);
    // A script's message may have found no room.
    if (!this.isUpgraded(slot)) return false;
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
    // A script may have closed the connection meanwhile.
    return this.isUpgraded(slot);
  }

  private control(slot: number, opcode: number, bytes: Uint8Array, start: number, end: number, key: number): boolean {
    if (opcode === OPCODE.ping) {
      this.pong(slot, bytes, start, end, key);
      // Without room for the pong, the connection has ended.
      if (!this.isUpgraded(slot)) return false;
      this.connections.ponged(slot);
    } else if (opcode === OPCODE.pong) {
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
      if (!this.isUpgraded(slot)) return;
      this.closeWith(slot, code);
      if (this.isClosing(slot)) this.closedBy(slot, code);
    }
  }

  /** Reports a protocol violation to the peer and ends the connection. */
  private fail(slot: number, code: number): false {
    const fault = code === CLOSE.tooBig ? "MESSAGE_TOO_BIG" : code === CLOSE.notUtf8 ? "BAD_UTF8" : "BAD_FRAME";
    this.refuse(slot, code, FAULT[fault]);
    return false;
  }

  /** Whether closeWith() has left the connection open: without room for its frame, the connection ends. */
  private isClosing(slot: number): boolean {
    return (this.flags[slot]! & CLOSED) !== 0;
  }

  private wait(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.keep(slot, bytes, start, end)) return true;
    this.connections.refused(slot, FAULT.HEAD_TOO_LONG);
    return false;
  }
}
