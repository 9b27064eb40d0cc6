// Reads HTTP/1.1 messages for both sides: a head, then a body, again and again. Bodies are counted but not stored; only
// an incomplete head is buffered.
// @see RFC 9112, 6 and 7
import { grown } from "../columns.js";
import type { Connections, Protocol } from "../contract.js";
import { HEAD, Heads } from "../http-head.js";
import { Leftovers } from "../leftovers.js";
import { BODY, type Body } from "./fields.js";

/** The part of a message that comes next. */
export const STATE = {
  head: 0,
  /** Content of a known length, or up to the end of the connection. */
  fixed: 1,
  untilClose: 2,
  /** A chunk: its size, the extension, the LF of its line, the content, CR and LF. */
  size: 3,
  extension: 4,
  sizeEnd: 5,
  chunk: 6,
  chunkCr: 7,
  chunkLf: 8,
  /**
   * After the last chunk: the start of a trailer line or of the final empty line, the rest of the line, its LF, the
   * last LF.
   */
  line: 9,
  trailer: 10,
  trailerEnd: 11,
  lastLf: 12,
  /** The framing is invalid. */
  bad: 13,
} as const;

/** Flag bit: nothing more is read from the connection. Subclasses use the other bits. */
export const OVER = 128;

const [CR, LF, SEMICOLON, SPACE, TAB] = [13, 10, 59, 32, 9];
/** Maximum number of digits of a chunk's size, including leading zeros. */
const MOST_DIGITS = 16;

export abstract class HttpSide implements Protocol {
  abstract readonly slotBytes: number;
  abstract readonly constants: readonly Uint8Array[];
  abstract readonly heartbeatMs: number;
  readonly replies = "any";
  readonly handshake = "request";
  protected readonly connections: Connections;
  protected flags: Uint8Array<ArrayBuffer>;
  protected states: Uint8Array<ArrayBuffer>;
  /** Number of bytes left of the body or the chunk. While a chunk's size is being read, the size so far. */
  protected left: Float64Array<ArrayBuffer>;
  /** Number of digits of a chunk's size read so far. */
  protected digits: Uint8Array<ArrayBuffer>;
  protected readonly leftovers = new Leftovers();
  private readonly heads = new Heads(this.leftovers);

  constructor(connections: Connections, slots: number) {
    this.connections = connections;
    this.flags = new Uint8Array(slots);
    this.states = new Uint8Array(slots);
    this.left = new Float64Array(slots);
    this.digits = new Uint8Array(slots);
  }

  opened(slot: number): void {
    if (slot >= this.flags.length) this.grow(slot);
    this.flags[slot] = 0;
    this.states[slot] = STATE.head;
    this.leftovers.drop(slot);
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end && !this.isOver(slot); ) {
      at = this.states[slot] === STATE.head ? this.readHead(slot, bytes, at, end) : this.readBody(slot, bytes, at, end);
    }
  }

  beat(_slot: number): void {}
  closing(_slot: number): void {}

  closed(slot: number): void {
    this.leftovers.drop(slot);
    // Ignore the rest of a read that ended the connection.
    this.flags[slot] = OVER;
    this.states[slot] = STATE.head;
  }

  /** A head is complete. Calls follow(), or ends the connection. */
  protected abstract head(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** Called when a head is too long. */
  protected abstract headTooLong(slot: number): void;
  /** Called when the framing of a body is invalid. */
  protected abstract badBody(slot: number): void;
  /**
   * Called with bytes `start` to `end`, which are part of a body.
   * @param isContent false for the framing of chunks
   */
  protected abstract body(slot: number, bytes: Uint8Array, start: number, end: number, isContent: boolean): void;
  /** A message is complete. */
  protected abstract ended(slot: number): void;

  protected isOver(slot: number): boolean {
    return (this.flags[slot]! & OVER) !== 0;
  }

  protected grow(slot: number): void {
    this.flags = grown(this.flags, slot);
    this.states = grown(this.states, slot);
    this.left = grown(this.left, slot);
    this.digits = grown(this.digits, slot);
  }

  /** Continues with the body that follows a head. */
  protected follow(slot: number, body: Body, length: number): void {
    if (body === BODY.none) {
      this.ended(slot);
      return;
    }
    this.left[slot] = body === BODY.fixed ? length : 0;
    this.digits[slot] = 0;
    this.states[slot] = body === BODY.fixed ? STATE.fixed : body === BODY.chunked ? STATE.size : STATE.untilClose;
  }

  /** @returns the index at which the rest begins */
  protected readHead(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { heads } = this;
    const at = heads.read(slot, bytes, start, end);
    if (at >= 0) {
      this.head(slot, heads.bytes, heads.start, heads.end);
      return at;
    }
    if (at === HEAD.tooLong) this.headTooLong(slot);
    return end;
  }

  private readBody(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const state = this.states[slot]!;
    const isContent = state === STATE.fixed || state === STATE.chunk || state === STATE.untilClose;
    const at = isContent ? this.skipContent(slot, state, start, end) : this.readFraming(slot, bytes, start, end);
    this.body(slot, bytes, start, at, isContent);
    if (this.isOver(slot)) return at;
    if (this.states[slot] === STATE.head) this.ended(slot);
    else if (this.states[slot] === STATE.bad) this.badBody(slot);
    return at;
  }

  private skipContent(slot: number, state: number, start: number, end: number): number {
    if (state === STATE.untilClose) return end;
    const length = Math.min(this.left[slot]!, end - start);
    this.left[slot]! -= length;
    if (this.left[slot] === 0) this.states[slot] = state === STATE.chunk ? STATE.chunkCr : STATE.head;
    return start + length;
  }

  /**
   * Reads chunk sizes, line ends and the trailer until content follows or the body ends.
   * @returns the index at which the rest begins
   */
  private readFraming(slot: number, bytes: Uint8Array, start: number, end: number): number {
    let state = this.states[slot]!;
    let at = start;
    for (; at < end && state !== STATE.chunk && state !== STATE.head && state !== STATE.bad; at++) {
      const byte = bytes[at]!;
      if (state === STATE.size) state = this.sizeDigit(slot, byte);
      else if (state === STATE.extension) state = byte === CR ? STATE.sizeEnd : byte === LF ? STATE.bad : state;
      else if (state === STATE.sizeEnd) state = byte === LF ? this.beginChunk(slot) : STATE.bad;
      else if (state === STATE.chunkCr) state = byte === CR ? STATE.chunkLf : STATE.bad;
      else if (state === STATE.chunkLf) state = byte === LF ? this.beginSize(slot) : STATE.bad;
      else if (state === STATE.line) state = byte === CR ? STATE.lastLf : byte === LF ? STATE.bad : STATE.trailer;
      else if (state === STATE.trailer) state = byte === CR ? STATE.trailerEnd : byte === LF ? STATE.bad : state;
      else if (state === STATE.trailerEnd) state = byte === LF ? STATE.line : STATE.bad;
      else state = byte === LF ? STATE.head : STATE.bad;
    }
    this.states[slot] = state;
    return at;
  }

  private sizeDigit(slot: number, byte: number): number {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      const size = this.left[slot]! * 16 + digit;
      this.left[slot] = size;
      this.digits[slot]! += 1;
      return size <= Number.MAX_SAFE_INTEGER && this.digits[slot]! <= MOST_DIGITS ? STATE.size : STATE.bad;
    }
    if (this.digits[slot] === 0) return STATE.bad;
    if (byte === CR) return STATE.sizeEnd;
    return byte === SEMICOLON || byte === SPACE || byte === TAB ? STATE.extension : STATE.bad;
  }

  private beginChunk(slot: number): number {
    return this.left[slot]! > 0 ? STATE.chunk : STATE.line;
  }

  private beginSize(slot: number): number {
    this.left[slot] = this.digits[slot] = 0;
    return STATE.size;
  }
}

/** Returns the value of a hexadecimal digit; -1 for other bytes. */
function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const small = byte | 32;
  return small >= 97 && small <= 102 ? small - 87 : -1;
}
