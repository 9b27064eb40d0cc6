// Finds where frames end, according to a definition's framing.
import type { Framing } from "../define.js";

/** Result of `find` while a frame is incomplete. */
export const INCOMPLETE = -1;
/** Result of `find` for a frame that is longer than allowed. */
export const TOO_LONG = -2;
/** Result of `find` for a length that does not even cover its own header. */
export const BAD_LENGTH = -3;

/** Default limit on a frame's length in bytes. */
export const MAX_FRAME_BYTES = 64 * 1024;

export interface FrameEnds {
  /** Number of bytes at the end of a frame that handlers do not see. */
  readonly hidden: number;
  /**
   * Finds the end of the frame that begins at `start`.
   *
   * @param from bytes before this index are known not to complete the frame
   * @returns the index after the frame, INCOMPLETE, TOO_LONG or BAD_LENGTH
   */
  find(bytes: Uint8Array, start: number, end: number, from: number): number;
}

/** Returns undefined without framing, when every read is a frame. */
export function framesOf(framing: Framing | undefined): FrameEnds | undefined {
  if (framing === undefined) return undefined;
  if ("fixed" in framing) return new FixedFrames(framing.fixed);
  const { maxBytes = MAX_FRAME_BYTES } = framing;
  if ("delimiter" in framing) return new DelimitedFrames(Buffer.from(framing.delimiter as Uint8Array), maxBytes);
  if ("length" in framing) return new PrefixedFrames(framing.length, maxBytes);
  return new FunctionFrames(framing.end, maxBytes);
}

class FixedFrames implements FrameEnds {
  readonly hidden = 0;
  private readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  find(_bytes: Uint8Array, start: number, end: number): number {
    return start + this.size > end ? INCOMPLETE : start + this.size;
  }
}

class DelimitedFrames implements FrameEnds {
  readonly hidden: number;
  private readonly delimiter: Uint8Array;
  private readonly last: number;
  private readonly maxBytes: number;

  constructor(delimiter: Uint8Array, maxBytes: number) {
    this.delimiter = delimiter;
    this.hidden = delimiter.length;
    this.last = delimiter[delimiter.length - 1]!;
    this.maxBytes = maxBytes + delimiter.length;
  }

  find(bytes: Uint8Array, start: number, end: number, from: number): number {
    const { delimiter, last, hidden, maxBytes } = this;
    const stop = Math.min(end, start + maxBytes);
    for (let at = Math.max(from, start + hidden - 1); at < stop; at++) {
      if (bytes[at] !== last) continue;
      let n = hidden - 2;
      while (n >= 0 && bytes[at - hidden + 1 + n] === delimiter[n]) n--;
      if (n < 0) return at + 1;
    }
    return end - start >= maxBytes ? TOO_LONG : INCOMPLETE;
  }
}

class PrefixedFrames implements FrameEnds {
  readonly hidden = 0;
  private readonly size: number;
  private readonly at: number;
  private readonly isLittle: boolean;
  /** Number of bytes of the frame that the length field does not count. */
  private readonly uncounted: number;
  private readonly maxBytes: number;

  constructor({ bytes, endian, at = 0, includesHeader }: PrefixOptions, maxBytes: number) {
    this.size = bytes;
    this.at = at;
    this.isLittle = endian === "little";
    this.uncounted = includesHeader ? 0 : at + bytes;
    this.maxBytes = maxBytes;
  }

  find(bytes: Uint8Array, start: number, end: number): number {
    const { size, isLittle, maxBytes } = this;
    const first = start + this.at;
    if (first + size > end) return INCOMPLETE;
    let length = 0;
    for (let n = 0; n < size; n++) length = length * 256 + bytes[isLittle ? first + size - 1 - n : first + n]!;
    length += this.uncounted;
    if (length > maxBytes) return TOO_LONG;
    if (length < this.at + size) return BAD_LENGTH;
    return start + length > end ? INCOMPLETE : start + length;
  }
}

type PrefixOptions = Extract<Framing, { length: unknown }>["length"];

class FunctionFrames implements FrameEnds {
  readonly hidden = 0;
  private readonly findEnd: (bytes: Uint8Array, start: number, end: number) => number;
  private readonly maxBytes: number;

  constructor(findEnd: (bytes: Uint8Array, start: number, end: number) => number, maxBytes: number) {
    this.findEnd = findEnd;
    this.maxBytes = maxBytes;
  }

  find(bytes: Uint8Array, start: number, end: number): number {
    const { findEnd, maxBytes } = this;
    const found = findEnd(bytes, start, end);
    if (found === INCOMPLETE) return end - start >= maxBytes ? TOO_LONG : INCOMPLETE;
    if (!Number.isInteger(found) || found <= start || found > end) {
      throw new RangeError(`framing.end() returned ${found}; expected -1, or an index from ${start + 1} to ${end}`);
    }
    return found - start > maxBytes ? TOO_LONG : found;
  }
}
