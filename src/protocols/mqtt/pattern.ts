// Handles strings that differ between connections, such as client IDs and topics, in which `%i` stands for the
// connection's number. The strings are written into packets without creating objects.
import { LONGEST_HEADER, writeHeaderBefore, writeUint16 } from "./packet.js";

const NUMBER = "%i";
/** Maximum number of digits of a 32-bit number. */
export const MOST_DIGITS = 10;

export class Pattern {
  /** Maximum length in bytes. */
  readonly longest: number;
  private readonly pieces: readonly Uint8Array[];

  constructor(text: string) {
    this.pieces = text.split(NUMBER).map((piece) => Buffer.from(piece));
    this.longest = this.pieces.reduce((sum, { length }) => sum + length + MOST_DIGITS, 0);
  }

  /**
   * Writes the text of connection `number`.
   * @returns the index after the text
   */
  write(bytes: Uint8Array, at: number, number: number): number {
    const { pieces } = this;
    let next = at;
    for (let n = 0; n < pieces.length; n++) {
      if (n > 0) next = writeDigits(bytes, next, number);
      const piece = pieces[n]!;
      for (let place = 0; place < piece.length; place++) bytes[next++] = piece[place]!;
    }
    return next;
  }

  /** Like write(), but puts the length first. */
  writeString(bytes: Uint8Array, at: number, number: number): number {
    const end = this.write(bytes, at + 2, number);
    writeUint16(bytes, at, end - at - 2);
    return end;
  }
}

/**
 * Writes a whole number below 2^32.
 * @returns the index after the number
 */
export function writeDigits(bytes: Uint8Array, at: number, number: number): number {
  let end = at + 1;
  for (let limit = 10; number >= limit; limit *= 10) end++;
  for (let rest = number, place = end; place > at; rest = Math.floor(rest / 10)) bytes[--place] = 48 + (rest % 10);
  return end;
}

/** A packet in which some strings differ between connections. */
export class PatternPacket {
  readonly bytes: Uint8Array;
  /** Start and end in `bytes` of the last packet written. */
  start = 0;
  end = 0;
  private readonly first: number;
  private readonly parts: readonly (Uint8Array | Pattern)[];

  /**
   * @param parts parts of the body: bytes are written unchanged, patterns with their length first
   */
  constructor(first: number, parts: readonly (Uint8Array | Pattern)[]) {
    this.first = first;
    this.parts = parts;
    const longest = parts.reduce((sum, part) => sum + (part instanceof Pattern ? 2 + part.longest : part.length), 0);
    this.bytes = new Uint8Array(LONGEST_HEADER + longest);
  }

  /** Writes the packet of connection `number`. */
  write(number: number): void {
    const { bytes, parts } = this;
    let at = LONGEST_HEADER;
    for (let n = 0; n < parts.length; n++) {
      const part = parts[n]!;
      if (part instanceof Pattern) at = part.writeString(bytes, at, number);
      else {
        bytes.set(part, at);
        at += part.length;
      }
    }
    this.start = writeHeaderBefore(bytes, LONGEST_HEADER, this.first, at - LONGEST_HEADER);
    this.end = at;
  }
}
