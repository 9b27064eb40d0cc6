// A message in which `%i` stands for the connection's number. `%%i` stands for the two characters themselves.
import { MOST_DIGITS, writeDigits } from "./mqtt/pattern.js";

const NUMBER = "%i";
const ESCAPED = "%%i";

export class NumberedMessage {
  /** Bytes between the numbers. */
  private readonly pieces: readonly Uint8Array[];
  /** The message that was written last, up to `length`. */
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

/** Splits a message at its numbers; a single piece if it has none. */
export function splitMessage(message: Uint8Array): Uint8Array[] {
  // As Latin-1, a character is a byte.
  const text = Buffer.from(message.buffer, message.byteOffset, message.length).toString("latin1");
  const pieces = [""];
  for (const part of text.split(/(%%i|%i)/)) {
    if (part === NUMBER) pieces.push("");
    else pieces[pieces.length - 1] += part === ESCAPED ? NUMBER : part;
  }
  return pieces.map((piece) => Uint8Array.from(Buffer.from(piece, "latin1")));
}
