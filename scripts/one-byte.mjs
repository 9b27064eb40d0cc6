// Escapes characters beyond Latin-1 in scripts. A single one would make V8 keep two bytes for every character of the script,
// in every thread that runs it.

const WIDE = /[^\0-\xff]/g;
/** Characters that an escape such as \u2026 adds. */
const ADDED = 5;
/** Digits of numbers in source maps, where the highest bit of a digit says that another follows. */
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CONTINUES = 32;

/**
 * Returns code in which only strings contained such characters, without them.
 * @param {string} code
 */
export function oneByte(code) {
  return code.replace(WIDE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * Returns the mappings of a source map for what oneByte() makes of the code, behind a prefix.
 *
 * @param {string} mappings those of `code`
 * @param {string} code
 * @param {string} prefix without line breaks
 */
export function oneByteMappings(mappings, code, prefix) {
  const lines = code.split("\n");
  return mappings
    .split(";")
    .map((segments, index) => shifted(segments, lines[index] ?? "", index === 0 ? prefix.length : 0))
    .join(";");
}

/**
 * @param {string} segments of a line; each begins with the distance of its column from that of the one before
 * @param {string} line
 * @param {number} start
 */
function shifted(segments, line, start) {
  if (segments === "") return "";
  const wide = [...line.matchAll(WIDE)].map(({ index }) => index);
  let [column, last] = [0, 0];
  return segments
    .split(",")
    .map((segment) => {
      const { value, rest } = firstOf(segment);
      column += value;
      const now = start + column + ADDED * wide.filter((each) => each < column).length;
      const distance = now - last;
      last = now;
      return encoded(distance) + rest;
    })
    .join(",");
}

/**
 * Returns a segment's first number, which is never negative.
 * @param {string} segment
 */
function firstOf(segment) {
  let value = 0;
  for (let at = 0; ; at++) {
    const digit = DIGITS.indexOf(/** @type {string} */ (segment[at]));
    value |= (digit % CONTINUES) << (5 * at);
    // The lowest bit is the sign.
    if (digit < CONTINUES) return { value: value >> 1, rest: segment.slice(at + 1) };
  }
}

/** @param {number} value */
function encoded(value) {
  let [text, left] = ["", value << 1];
  for (; left >= CONTINUES; left >>= 5) text += DIGITS[CONTINUES + (left % CONTINUES)];
  return text + DIGITS[left];
}
