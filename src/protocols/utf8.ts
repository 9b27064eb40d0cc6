// Incremental UTF-8 validation. Text may be split anywhere, even within a character.
// @see Björn Höhrmann, Flexible and Economical UTF-8 Decoder, https://bjoern.hoehrmann.de/utf-8/decoder/dfa/

/** State between two characters, at which valid text begins and ends. */
export const UTF8_ACCEPT = 0;
/** State after invalid input. */
export const UTF8_REJECT = 12;

const repeat = (value: number, times: number) => new Array<number>(times).fill(value);

/** Class of each byte. */
const CLASSES = Uint8Array.from([
  ...repeat(0, 128),
  ...repeat(1, 16),
  ...repeat(9, 16),
  ...repeat(7, 32),
  ...repeat(8, 2),
  ...repeat(2, 30),
  10,
  ...repeat(3, 12),
  4,
  ...repeat(3, 2),
  11,
  ...repeat(6, 3),
  5,
  ...repeat(8, 11),
]);

/** The next state, by current state and byte class. */
// biome-ignore format: a row for each state
const NEXT = Uint8Array.of(
  0, 12, 24, 36, 60, 96, 84, 12, 12, 12, 48, 72,
  12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
  12, 0, 12, 12, 12, 12, 12, 0, 12, 0, 12, 12,
  12, 24, 12, 12, 12, 12, 12, 24, 12, 24, 12, 12,
  12, 12, 12, 12, 12, 12, 12, 24, 12, 12, 12, 12,
  12, 24, 12, 12, 12, 12, 12, 12, 12, 24, 12, 12,
  12, 12, 12, 12, 12, 12, 12, 36, 12, 36, 12, 12,
  12, 36, 12, 12, 12, 12, 12, 36, 12, 36, 12, 12,
  12, 36, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
);

/** Returns the state after bytes `start` to `end`. */
export function checkUtf8(state: number, bytes: Uint8Array, start: number, end: number): number {
  let now = state;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (now === UTF8_ACCEPT && byte < 0x80) continue;
    now = NEXT[now + CLASSES[byte]!]!;
    if (now === UTF8_REJECT) return now;
  }
  return now;
}
