// Wraps text to the width of the terminal. Long lines are broken at words and continue below the text that they belong
// to. This applies to everything printed for people, but not to output for programs or into pipes.

/** Maximum share of the width for a label. After a longer label, the text starts on a new line. */
const LABEL_SHARE = 0.5;
const INDENT = 4;
/** Minimum width. On a terminal narrower than this, text would be unreadable anyway. */
const LEAST = 8;
/** Characters after which a word longer than a line may be broken. */
const JOINTS = /[/:,;=×]/;
/** Matches a figure and its unit. */
const FIGURE = /(\d) (ms|µs|s|min|h|B|[KMGT]?i?B|%)(?![A-Za-z])/g;
/** Placeholder for a space at which lines must not be broken; a private-use character. */
const GLUE = "\ue000";
// Matches escape sequences for colours and the like (ECMA-48, CSI), which have no width.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;
/** Matches characters that take two columns: East Asian wide characters and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu;

/** Returns the maximum line width of a stream: the width of a terminal, or undefined for anything else. */
export function columnsOf(stream: { readonly isTTY?: boolean; readonly columns?: number }): number | undefined {
  return stream.isTTY ? stream.columns || undefined : undefined;
}

/** Returns the number of columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  const bare = text.replace(ESCAPES, "");
  return [...bare].length + (bare.match(WIDE)?.length ?? 0);
}

/**
 * Breaks lines longer than `columns`.
 *
 * @param columns width to wrap to; undefined leaves the text unchanged
 */
export function fitText(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  const width = Math.max(LEAST, columns);
  return text
    .split("\n")
    .flatMap((line) => (widthOf(line) <= width ? [line] : breakLine(line, width)))
    .join("\n");
}

function breakLine(line: string, width: number): string[] {
  const [, indent, label, gap, text] = /^( *)(\S.*?)( {2,})(\S.*)$/.exec(line) ?? [];
  const left = indent?.length ?? /^ */.exec(line)![0].length;
  if (label !== undefined && gap !== undefined && text !== undefined) {
    const column = left + widthOf(label) + gap.length;
    if (column <= width * LABEL_SHARE) {
      const [first, ...rest] = wrap(text, width - column);
      return [`${indent}${label}${gap}${first}`, ...rest.map((part) => " ".repeat(column) + part)];
    }
    const below = Math.min(left + INDENT, Math.floor(width / 2));
    return [
      ...breakText(`${indent}${label}`, left, width),
      ...wrap(text, width - below).map((part) => " ".repeat(below) + part),
    ];
  }
  return breakText(line, left, width);
}

/** Breaks a line without a label. After a prefix such as `note: `, further lines are indented slightly more. */
function breakText(line: string, left: number, width: number): string[] {
  const hanging = /^ *[A-Za-z][A-Za-z ]{1,14}: /.test(line) ? left + 2 : left;
  const below = Math.min(hanging, Math.floor(width / 2));
  const start = Math.min(left, Math.floor(width / 2));
  const [first, ...rest] = wrap(line.trimStart(), width - below, below - start);
  return [" ".repeat(start) + first, ...rest.map((part) => " ".repeat(below) + part)];
}

/**
 * Wraps words to lines of at most `width`, keeping figures and units together. The first line may be `extra` columns
 * longer.
 */
function wrap(text: string, width: number, extra = 0): string[] {
  return wrapWords(text.replace(FIGURE, `$1${GLUE}$2`), width, extra).map((line) => line.replaceAll(GLUE, " "));
}

function wrapWords(text: string, width: number, extra: number): string[] {
  const lines: string[] = [];
  let line = "";
  const room = () => (lines.length === 0 ? width + extra : width);
  for (const [, space, whole] of text.matchAll(/( *)(\S+)/g)) {
    let word = whole!;
    if (line !== "" && widthOf(line) + space!.length + widthOf(word) <= room()) {
      line += space! + word;
      continue;
    }
    // A word that is too long for any line is broken here if the current line has enough room left.
    const isTooLong = widthOf(word) > width;
    if (line !== "" && !(isTooLong && widthOf(line) + space!.length < room() / 2)) {
      lines.push(line);
      line = "";
    } else if (line !== "") line += space!;
    while (widthOf(line) + widthOf(word) > room()) {
      const [head, tail] = cut(word, room() - widthOf(line));
      lines.push(line + head);
      line = "";
      word = tail;
    }
    line += word;
  }
  return line === "" && lines.length > 0 ? lines : [...lines, line];
}

/** Splits a word at `width`, if possible after one of JOINTS. */
function cut(word: string, width: number): [head: string, tail: string] {
  const parts = word.match(new RegExp(`${ESCAPES.source}|.`, "gu")) ?? [];
  let size = 0;
  let count = 0;
  let joint = 0;
  for (const part of parts) {
    if (size + widthOf(part) > width) break;
    size += widthOf(part);
    count++;
    if (JOINTS.test(part)) joint = count;
  }
  const end = joint > count / 2 ? joint : Math.max(1, count);
  return [parts.slice(0, end).join(""), parts.slice(end).join("")];
}
