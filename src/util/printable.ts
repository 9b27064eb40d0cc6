// Sanitizes untrusted text for a terminal, a page or a line of JSON.

/**
 * Characters that a terminal interprets or does not show: control and format characters (escape codes, bidi overrides,
 * zero-width characters), line and paragraph separators, private-use characters, lone surrogates.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const LONGEST_ARGUMENT = 80;

/** Returns a single line of printable characters. All other characters are replaced by `?`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "?");
}

/** Like printable(), for text with several lines. `keep` selects unprintable characters to retain. */
export function printableExcept(text: string, keep: (character: string) => boolean, instead = "?"): string {
  return text.replace(UNPRINTABLE, (character) => (keep(character) ? character : instead));
}

/**
 * Returns a copy of plain data in which all strings, including keys, are printable. Other values are kept unchanged.
 */
export function printableData<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (typeof value === "string") return printable(value);
  if (Array.isArray(value)) return value.map(copy);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [printable(key), copy(field)]));
}

/** Returns a single line with escapes for unprintable characters, as in source code: `+OK\r\n`. */
export function visible(text: string): string {
  const named: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b" };
  return text.replace(UNPRINTABLE, (character) => named[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/**
 * Returns JSON in a single line of printable characters. Unprintable characters are escaped as in `\u001b`, so the
 * value is unchanged.
 */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNPRINTABLE, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** Shortens a text to at most `most` characters by omitting its middle. */
export function shortened(text: string, most = LONGEST_ARGUMENT): string {
  if (text.length <= most) return text;
  const tail = Math.floor(most / 3);
  return `${text.slice(0, most - tail - 1)}…${text.slice(-tail)}`;
}

/** Quotes user input for a message: `"10kk"`. */
export function quoted(text: string): string {
  return `"${shortened(printable(text))}"`;
}
