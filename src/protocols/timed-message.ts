// The timed-message client: it sends the same bytes whenever a message is due. Subclasses define what counts as an
// answer; AnyAnswerClient accepts any bytes.
//
// A connection may start with an opening: it waits for the server's greeting, sends a first message once, or both.
// Either message may contain the connection's number.
import { grown } from "./columns.js";
import type { ClientConnections, ClientProtocol, Handshake, Replies } from "./contract.js";
import { MOST_DIGITS, writeDigits } from "./mqtt/pattern.js";

/** Placeholder for the connection's number, and the escape for those two characters themselves. */
const [NUMBER, ESCAPED] = ["%i", "%%i"] as const;

/** The exchange on a new connection, before it is ready for messages. */
export interface Opening {
  /** Whether to wait for the server's greeting before sending anything. */
  readonly awaitsGreeting: boolean;
  /** Message sent once; undefined for none. */
  readonly firstMessage?: Uint8Array | undefined;
  /** Whether the connection is ready only once the first message has been answered. */
  readonly awaitsAnswer: boolean;
}

export const NO_OPENING: Opening = { awaitsGreeting: false, awaitsAnswer: false };

// Bits of `marks`. Subclasses use the others.
/** The first message has come due. Bytes received before that are a greeting. */
const SENT = 1;
const AWAITS_GREETING = 64;
const AWAITS_ANSWER = 128;

/** Indexes of the constants. */
export const [MESSAGE, FIRST_MESSAGE] = [0, 1] as const;

export abstract class TimedMessage implements ClientProtocol {
  readonly slotBytes: number = 1;
  readonly constants: readonly Uint8Array[];
  readonly replies: Replies = "none";
  readonly handshake: Handshake;
  readonly heartbeatMs = 0;
  abstract readonly isAnswered: boolean;
  protected readonly connections: ClientConnections;
  protected readonly opening: Opening;
  protected marks: Uint8Array<ArrayBuffer>;
  /** Messages by the index of their constant; undefined for messages without a number. */
  private readonly numbered: readonly (NumberedMessage | undefined)[];
  /** Number of each connection; undefined if no message contains it. */
  private numbers: Uint32Array<ArrayBuffer> | undefined;
  private nextNumber = () => 1;

  /** @param slots minimum number of slots that will be used */
  constructor(connections: ClientConnections, message: Uint8Array, slots: number, opening = NO_OPENING) {
    const { awaitsGreeting, firstMessage, awaitsAnswer } = opening;
    this.connections = connections;
    this.opening = opening;
    this.handshake = firstMessage && awaitsAnswer ? "first-message" : awaitsGreeting ? "greeting" : "none";
    const split = (firstMessage ? [message, firstMessage] : [message]).map(splitMessage);
    this.constants = split.map((pieces) => Uint8Array.from(Buffer.concat(pieces)));
    this.numbered = split.map((pieces) => (pieces.length > 1 ? new NumberedMessage(pieces) : undefined));
    if (this.numbered.some((each) => each !== undefined)) this.numbers = new Uint32Array(slots);
    this.marks = new Uint8Array(slots);
  }

  /** @param nextNumber returns the number of the next connection, unique within the run */
  numberBy(nextNumber: () => number): this {
    this.nextNumber = nextNumber;
    return this;
  }

  opened(slot: number): void {
    if (slot >= this.marks.length) this.marks = grown(this.marks, slot);
    this.marks[slot] = this.opening.awaitsGreeting ? AWAITS_GREETING : 0;
    if (this.numbers) {
      if (slot >= this.numbers.length) this.numbers = grown(this.numbers, slot);
      this.numbers[slot] = this.nextNumber();
    }
    if (!this.opening.awaitsGreeting) this.begin(slot);
  }

  due(slot: number): void {
    this.marks[slot]! |= SENT;
    this.sendMessage(slot, MESSAGE);
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.handshake !== "none") this.connections.shown(slot, bytes, start, end);
    const from = this.isOpening(slot) ? this.receiveOpening(slot, bytes, start, end) : start;
    if (from < end) this.match(slot, bytes, from, end);
  }

  beat(_slot: number): void {}
  closing(_slot: number): void {}
  closed(_slot: number): void {}

  /** Handles bytes `start` to `end` (exclusive) received on a connection that is ready. */
  protected abstract match(slot: number, bytes: Uint8Array, start: number, end: number): void;

  /**
   * @returns index after the greeting, or after the answer to the first message; -1 while the opening is
   * incomplete
   */
  protected findOpeningEnd(_slot: number, _bytes: Uint8Array, _start: number, end: number): number {
    return end;
  }

  /** Returns whether a message has come due on this connection. */
  protected hasSent(slot: number): boolean {
    return (this.marks[slot]! & SENT) !== 0;
  }

  /** Returns whether the connection still waits for the server's greeting. */
  protected isAwaitingGreeting(slot: number): boolean {
    return (this.marks[slot]! & AWAITS_GREETING) !== 0;
  }

  /** Returns the number of messages that may have been answered. Only messages that were sent completely count. */
  protected answerable(slot: number): number {
    const { connections } = this;
    const unanswered = connections.unanswered(slot);
    return unanswered > 0 && connections.isSending(slot) ? unanswered - 1 : unanswered;
  }

  /**
   * Writes the message of a connection, if it contains the number.
   * @returns undefined if the message does not contain the number
   */
  protected write(slot: number, place: typeof MESSAGE | typeof FIRST_MESSAGE): NumberedMessage | undefined {
    const numbered = this.numbered[place];
    numbered?.write(this.numbers![slot]!);
    return numbered;
  }

  private sendMessage(slot: number, place: typeof MESSAGE | typeof FIRST_MESSAGE): void {
    const numbered = this.write(slot, place);
    if (numbered) this.connections.send(slot, numbered.bytes, 0, numbered.length);
    else this.connections.sendConstant(slot, place);
  }

  private isOpening(slot: number): boolean {
    return (this.marks[slot]! & (AWAITS_GREETING | AWAITS_ANSWER)) !== 0;
  }

  private begin(slot: number): void {
    const { firstMessage, awaitsAnswer } = this.opening;
    if (firstMessage && awaitsAnswer) this.marks[slot]! |= AWAITS_ANSWER;
    if (firstMessage) this.sendMessage(slot, FIRST_MESSAGE);
    if (!this.isOpening(slot)) this.connections.ready(slot);
  }

  /** @returns the index of the first byte after the opening */
  private receiveOpening(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const after = this.findOpeningEnd(slot, bytes, start, end);
    if (after < 0) return end;
    const wasGreeting = this.isAwaitingGreeting(slot);
    this.marks[slot]! &= ~(AWAITS_GREETING | AWAITS_ANSWER);
    if (!wasGreeting) {
      this.connections.ready(slot);
      return after;
    }
    this.begin(slot);
    // Nothing has been sent yet, so all of it is the greeting.
    return end;
  }
}

/** Builds a message that contains the connection's number. */
export class NumberedMessage {
  /** Bytes between the numbers. */
  private readonly pieces: readonly Uint8Array[];
  /** The last message written, which occupies the first `length` bytes. */
  readonly bytes: Buffer;
  length = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
    this.bytes = Buffer.alloc(pieces.reduce((sum, { length }) => sum + length + MOST_DIGITS, 0));
  }

  /** Writes the message of connection `number`. */
  write(number: number): void {
    const { bytes, pieces } = this;
    let at = 0;
    for (let n = 0; n < pieces.length; n++) {
      if (n > 0) at = writeDigits(bytes, at, number);
      bytes.set(pieces[n]!, at);
      at += pieces[n]!.length;
    }
    this.length = at;
  }
}

/** Splits a message at its numbers; a single piece if it contains no number. */
export function splitMessage(message: Uint8Array): Uint8Array[] {
  // In Latin-1, each character is one byte.
  const text = Buffer.from(message.buffer, message.byteOffset, message.length).toString("latin1");
  const pieces = [""];
  for (const part of text.split(/(%%i|%i)/)) {
    if (part === NUMBER) pieces.push("");
    else pieces[pieces.length - 1] += part === ESCAPED ? NUMBER : part;
  }
  return pieces.map((piece) => Uint8Array.from(Buffer.from(piece, "latin1")));
}

export class AnyAnswerClient extends TimedMessage {
  readonly isAnswered = true;

  /** Any bytes count as the answer to all messages sent before them, because answers have no known boundaries. */
  protected match(slot: number, _bytes: Uint8Array, start: number, end: number): void {
    if (!this.hasSent(slot)) this.connections.unexpected(end - start);
    const answered = this.answerable(slot);
    if (answered > 0) this.connections.answered(slot, answered);
  }
}
