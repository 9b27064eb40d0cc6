// What answers a message, in one place. A state machine over bytes for many connections at once, indexed by a small number;
// it knows no descriptor and no clock. An echo is compared to its last byte at the offset where it has to be; what is no answer
// is counted of its own.

import type { Expectation } from "./modes.js";

/** A message has been begun: what came before was a greeting. */
const BEGUN = 1;
/** The last message is not sent to its end. */
const PARTIAL = 2;
/** A whole echo came that no message was waiting for. */
const SURPLUS = 4;
/** More than one did: which message an echo answers cannot be told over this connection. */
const DISTRUSTED = 8;
/** An answer has been told of. */
const ANSWERED = 16;

/** From here on memcmp is faster than a loop. */
const WORTH_A_CALL = 128;

/** Follows the messages of connections; grows with the highest index used. 13 bytes a connection. */
export class MessageProbe {
  /** Bytes that no message asked for: greetings, pushes, echoes too many. */
  unaskedBytes = 0;
  /** Bytes that came instead of an answer. */
  wrongBytes = 0;
  private readonly message: Buffer;
  private readonly expected: Expectation;
  /** By number of bytes matched: how many of the last of them are again the message's first (Knuth, Morris, Pratt). */
  private readonly borders: Int32Array;
  /** Messages begun and not answered. */
  private waiting: Uint32Array;
  /** Bytes of the next answer that have come. */
  private matched: Uint32Array;
  /** Bytes since the last answer that are part of none: unasked if the answer comes after all, else wrong. */
  private strays: Uint32Array;
  private marks: Uint8Array;

  constructor(message: Uint8Array, expected: Expectation, capacity: number) {
    this.message = Buffer.from(message.buffer, message.byteOffset, message.length);
    this.expected = expected;
    this.borders = findBorders(message);
    this.waiting = new Uint32Array(capacity);
    this.matched = new Uint32Array(capacity);
    this.strays = new Uint32Array(capacity);
    this.marks = new Uint8Array(capacity);
  }

  /** Forgets what was known of `connection`: call it for each new one. */
  open(connection: number): void {
    if (connection >= this.waiting.length) this.grow(connection);
    this.waiting[connection] = 0;
    this.matched[connection] = 0;
    this.strays[connection] = 0;
    this.marks[connection] = 0;
  }

  /** The connection is over: what came instead of an answer stays wrong. */
  end(connection: number): void {
    if (this.waiting[connection] === 0) this.unaskedBytes += this.strays[connection]! + this.matched[connection]!;
    else this.wrongBytes += this.strays[connection]!;
    this.open(connection);
  }

  /** The first bytes of one more message are on their way. */
  begin(connection: number): void {
    this.marks[connection]! |= BEGUN | PARTIAL;
    if (this.expected === "none") return;
    if (this.waiting[connection] === 0) {
      // An answer begins at its first byte: what came before is none of it.
      this.unaskedBytes += this.matched[connection]!;
      this.matched[connection] = 0;
    }
    this.waiting[connection]! += 1;
  }

  /** The message begun last is on its way as a whole. */
  finish(connection: number): void {
    this.marks[connection]! &= ~PARTIAL;
  }

  /** Messages begun and not answered; 0 where no answer is expected. */
  unanswered(connection: number): number {
    return this.waiting[connection]!;
  }

  /** @returns how many messages, the oldest first, the `length` bytes received complete the answers of */
  receive(connection: number, bytes: Uint8Array, length: number): number {
    const answered = this.expected === "echo" ? this.match(connection, bytes, length) : this.take(connection, length);
    this.waiting[connection]! -= answered;
    return answered;
  }

  /** Whether an answer has come, asked for the first time since. */
  hasBegunToAnswer(connection: number): boolean {
    const marks = this.marks[connection]!;
    this.marks[connection] = marks | ANSWERED;
    return (marks & ANSWERED) === 0;
  }

  /** Messages that may have been answered: a message has to be sent before. */
  private answerable(connection: number): number {
    const waiting = this.waiting[connection]!;
    return waiting > 0 && this.marks[connection]! & PARTIAL ? waiting - 1 : waiting;
  }

  /** Where any bytes answer, they answer all that was sent before: where one answer ends and the next begins is not known. */
  private take(connection: number, length: number): number {
    if ((this.marks[connection]! & BEGUN) === 0) this.unaskedBytes += length;
    return this.answerable(connection);
  }

  private match(connection: number, bytes: Uint8Array, length: number): number {
    if (this.marks[connection]! & DISTRUSTED) {
      this.wrongBytes += length;
      return 0;
    }
    const { message, borders } = this;
    const size = message.length;
    const answerable = this.answerable(connection);
    let matched = this.matched[connection]!;
    let strays = this.strays[connection]!;
    let answered = 0;
    let isTried = false;
    for (let at = 0; at < length; ) {
      const rest = Math.min(size - matched, length - at);
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
      this.unaskedBytes += strays;
      strays = 0;
      if (answered < answerable) answered++;
      else if (this.surplus(connection)) {
        // Of the answers that came with it nobody knows what they answer.
        this.wrongBytes += answered * size + length - at;
        this.matched[connection] = this.strays[connection] = 0;
        return 0;
      }
    }
    if (answered === this.waiting[connection]) {
      this.unaskedBytes += strays;
      strays = 0;
    }
    this.matched[connection] = matched;
    this.strays[connection] = strays;
    return answered;
  }

  /** One whole echo too many. @returns whether that makes the connection's echoes worthless */
  private surplus(connection: number): boolean {
    this.unaskedBytes += this.message.length;
    const marks = this.marks[connection]!;
    // A greeting may look like the message.
    if ((marks & BEGUN) === 0) return false;
    this.marks[connection] = marks | (marks & SURPLUS ? DISTRUSTED : SURPLUS);
    return (marks & SURPLUS) !== 0;
  }

  private grow(connection: number): void {
    const length = Math.max(connection + 1, this.waiting.length * 2);
    this.waiting = longer(this.waiting, length);
    this.matched = longer(this.matched, length);
    this.strays = longer(this.strays, length);
    const marks = new Uint8Array(length);
    marks.set(this.marks);
    this.marks = marks;
  }
}

function longer(array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(length);
  grown.set(array);
  return grown;
}

function findBorders(message: Uint8Array): Int32Array {
  const borders = new Int32Array(message.length + 1);
  for (let length = 1, border = 0; length < message.length; length++) {
    while (border > 0 && message[length] !== message[border]) border = borders[border]!;
    if (message[length] === message[border]) border++;
    borders[length + 1] = border;
  }
  return borders;
}
