// The echo protocol: every byte is sent back (RFC 862). The client compares each echo with its message byte by byte
// and counts unrelated bytes separately.
import { findBorders } from "./answer-end.js";
import { BannerServer } from "./banner.js";
import { grown } from "./columns.js";
import type { ClientConnections, Replies } from "./contract.js";
import { FIRST_MESSAGE, MESSAGE, type Opening, TimedMessage } from "./timed-message.js";

/** One complete echo has arrived that no message was waiting for. */
const SURPLUS = 2;
/** More than one surplus echo has arrived, so echoes on this connection can no longer be matched to messages. */
const DISTRUSTED = 4;

/** Minimum length for which memcmp is faster than a loop. */
const WORTH_A_CALL = 128;

export class EchoServer extends BannerServer {
  override readonly replies: Replies = "echo";

  override received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.connections.send(slot, bytes, start, end);
  }
}

export class EchoClient extends TimedMessage {
  override readonly slotBytes = 9;
  readonly isAnswered = true;
  /** Message of the connection being handled, and its length. */
  private message: Buffer;
  private size: number;
  /**
   * KMP failure function: for each number of matched bytes, the length of the longest proper suffix that is also a
   * prefix.
   */
  private borders: Int32Array;
  /** Number of bytes of the next answer received so far. */
  private matched: Uint32Array<ArrayBuffer>;
  /**
   * Number of bytes since the last answer that are part of no answer: they are unexpected if an answer follows, and
   * mismatched otherwise.
   */
  private strays: Uint32Array<ArrayBuffer>;

  constructor(connections: ClientConnections, message: Uint8Array, slots: number, opening?: Opening) {
    super(connections, message, slots, opening);
    this.message = Buffer.from(this.constants[MESSAGE]!);
    this.size = this.message.length;
    this.borders = findBorders(this.message);
    this.matched = new Uint32Array(slots);
    this.strays = new Uint32Array(slots);
  }

  override opened(slot: number): void {
    if (slot >= this.matched.length) {
      this.matched = grown(this.matched, slot);
      this.strays = grown(this.strays, slot);
    }
    this.matched[slot] = 0;
    this.strays[slot] = 0;
    super.opened(slot);
  }

  override due(slot: number): void {
    if (this.connections.unanswered(slot) === 0) {
      // Bytes that arrived before the message was sent cannot be part of its answer.
      this.connections.unexpected(this.matched[slot]!);
      this.matched[slot] = 0;
    }
    super.due(slot);
  }

  protected match(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const numbered = this.write(slot, MESSAGE);
    if (numbered) {
      this.message = numbered.bytes;
      this.size = numbered.length;
      this.borders = findBorders(numbered.bytes.subarray(0, numbered.length));
    }
    const answered = this.compare(slot, bytes, start, end);
    if (answered > 0) this.connections.answered(slot, answered);
  }

  /**
   * Compares the answer to the first message with that message. A different answer keeps the connection from becoming
   * ready.
   */
  protected override findOpeningEnd(slot: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.isAwaitingGreeting(slot) || !this.opening.firstMessage) return end;
    const numbered = this.write(slot, FIRST_MESSAGE);
    const firstMessage = numbered ? numbered.bytes : this.constants[FIRST_MESSAGE]!;
    const size = numbered ? numbered.length : firstMessage.length;
    let matched = this.matched[slot]!;
    let at = start;
    while (at < end && matched < size && bytes[at] === firstMessage[matched]) {
      at++;
      matched++;
    }
    const isWhole = matched === size;
    this.matched[slot] = isWhole ? 0 : matched;
    if (isWhole) return at;
    if (at < end) this.connections.mismatched(end - at);
    return -1;
  }

  /** Reports stray bytes: mismatched if an answer is outstanding, unexpected otherwise. */
  override closed(slot: number): void {
    const { connections } = this;
    if (connections.unanswered(slot) > 0) connections.mismatched(this.strays[slot]!);
    else connections.unexpected(this.strays[slot]! + this.matched[slot]!);
    this.strays[slot] = this.matched[slot] = 0;
  }

  /** @returns number of messages, oldest first, whose answers are completed by these bytes */
  private compare(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { connections, message, borders, size } = this;
    if (this.marks[slot]! & DISTRUSTED) {
      connections.mismatched(end - start);
      return 0;
    }
    if (size === 0) {
      connections.unexpected(end - start);
      return 0;
    }
    const answerable = this.answerable(slot);
    let matched = this.matched[slot]!;
    let strays = this.strays[slot]!;
    let answered = 0;
    let isTried = false;
    for (let at = start; at < end; ) {
      const rest = Math.min(size - matched, end - at);
      if (!isTried && rest >= WORTH_A_CALL) {
        isTried = true;
        if (message.compare(bytes, at, at + rest, matched, matched + rest) === 0) {
          at += rest;
          matched += rest;
        }
      } else {
        const byte = bytes[at]!;
        while (matched > 0 && byte !== message[matched]) {
          strays += matched - borders[matched]!;
          matched = borders[matched]!;
        }
        if (byte === message[matched]) matched++;
        else strays++;
        at++;
      }
      if (matched < size) continue;
      matched = 0;
      isTried = false;
      if (strays > 0) connections.unexpected(strays);
      strays = 0;
      if (answered < answerable) answered++;
      else if (this.surplus(slot)) {
        // The other answers in this read cannot be matched to messages either.
        connections.mismatched(answered * size + end - at);
        this.matched[slot] = this.strays[slot] = 0;
        return 0;
      }
    }
    if (strays > 0 && answered === connections.unanswered(slot)) {
      connections.unexpected(strays);
      strays = 0;
    }
    this.matched[slot] = matched;
    this.strays[slot] = strays;
    return answered;
  }

  /**
   * Handles a surplus echo.
   * @returns whether echoes on this connection can no longer be trusted
   */
  private surplus(slot: number): boolean {
    this.connections.unexpected(this.size);
    // A greeting may happen to equal the message.
    if (!this.hasSent(slot)) return false;
    const marks = this.marks[slot]!;
    this.marks[slot] = marks | (marks & SURPLUS ? DISTRUSTED : SURPLUS);
    return (marks & SURPLUS) !== 0;
  }
}
