// Finds where each answer in a stream ends: after a delimiter, as in line protocols, or after a fixed number of bytes.
// The state of a partial answer is kept for each slot, so a stream may be split anywhere.
import { grown } from "./columns.js";

export interface AnswerEnd {
  /** Number of bytes of state per slot. */
  readonly slotBytes: number;
  /** Discards the partial answer in `slot`, if any. */
  restart(slot: number): void;
  /** @returns the index after the first answer that ends in bytes `start` to `end` (exclusive); -1 if none does */
  find(slot: number, bytes: Uint8Array, start: number, end: number): number;
}

/** Maximum length of a delimiter, because 8 bits hold the number of its bytes matched so far. */
export const MAX_DELIMITER_BYTES = 255;

/** Answers that end with, and include, `delimiter`. */
export class DelimitedEnd implements AnswerEnd {
  readonly slotBytes = 1;
  private readonly delimiter: Uint8Array;
  private readonly borders: Int32Array;
  /** Number of bytes of the delimiter matched so far. */
  private matched: Uint8Array<ArrayBuffer>;

  /**
   * @param delimiter delimiter of 1 to MAX_DELIMITER_BYTES bytes
   * @param slots expected number of slots
   */
  constructor(delimiter: Uint8Array, slots: number) {
    this.delimiter = delimiter;
    this.borders = findBorders(delimiter);
    this.matched = new Uint8Array(slots);
  }

  restart(slot: number): void {
    if (slot >= this.matched.length) this.matched = grown(this.matched, slot);
    this.matched[slot] = 0;
  }

  find(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { delimiter, borders } = this;
    let matched = this.matched[slot]!;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      while (matched > 0 && byte !== delimiter[matched]) matched = borders[matched]!;
      if (byte !== delimiter[matched]) continue;
      matched++;
      if (matched < delimiter.length) continue;
      this.matched[slot] = 0;
      return at + 1;
    }
    this.matched[slot] = matched;
    return -1;
  }
}

/** Answers of `size` bytes each. */
export class SizedEnd implements AnswerEnd {
  readonly slotBytes = 4;
  private readonly size: number;
  /** Number of bytes received of the current answer. */
  private filled: Uint32Array<ArrayBuffer>;

  /**
   * @param size below 2^32
   * @param slots expected number of slots
   */
  constructor(size: number, slots: number) {
    this.size = size;
    this.filled = new Uint32Array(slots);
  }

  restart(slot: number): void {
    if (slot >= this.filled.length) this.filled = grown(this.filled, slot);
    this.filled[slot] = 0;
  }

  find(slot: number, _bytes: Uint8Array, start: number, end: number): number {
    const missing = this.size - this.filled[slot]!;
    if (end - start < missing) {
      this.filled[slot]! += end - start;
      return -1;
    }
    this.filled[slot] = 0;
    return start + missing;
  }
}

/**
 * Computes the failure function of Knuth, Morris and Pratt.
 *
 * @returns for each number of matched bytes, the length of the longest proper suffix that is also a prefix
 */
export function findBorders(pattern: Uint8Array): Int32Array {
  const borders = new Int32Array(pattern.length + 1);
  for (let length = 1, border = 0; length < pattern.length; length++) {
    while (border > 0 && pattern[length] !== pattern[border]) border = borders[border]!;
    if (pattern[length] === pattern[border]) border++;
    borders[length + 1] = border;
  }
  return borders;
}
