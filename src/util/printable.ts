// Text that somebody else chose, made fit for a terminal, a page or a line of JSON.

/**
 * What a terminal acts on or does not show: control and format characters (escape codes, bidi overrides, zero-width
 * ones), line and paragraph separators, private-use characters, halves of surrogate pairs.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const LONGEST_ARGUMENT = 80;

/** One line of visible characters: each that is none becomes `?`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "?");
}

/** The same for text of several lines: `keep` says which of the unprintable characters stay. */
export function printableExcept(text: string, keep: (character: string) => boolean, instead = "?"): string {
  return text.replace(UNPRINTABLE, (character) => (keep(character) ? character : instead));
}

/** A copy of plain data in which every text, keys included, is printable; what is no plain data stays as it is. */
export function printableData<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (typeof value === "string") return printable(value);
  if (Array.isArray(value)) return value.map(copy);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [printable(key), copy(field)]));
}

/** One line with escapes for what is not visible, as in source code: `+OK\r\n`. */
export function visible(text: string): string {
  const named: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b" };
  return text.replace(UNPRINTABLE, (character) => named[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** JSON in one line of visible characters: the value is the same, what is unprintable is written as `\u001b`. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNPRINTABLE, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** A text of at most `most` characters: the middle of a longer one is left out. */
export function shortened(text: string, most = LONGEST_ARGUMENT): string {
  if (text.length <= most) return text;
  const tail = Math.floor(most / 3);
  return `${text.slice(0, most - tail - 1)}…${text.slice(-tail)}`;
}

/** What somebody typed, as a message quotes it: `"10kk"`. */
export function quoted(text: string): string {
  return `"${shortened(printable(text))}"`;
}
