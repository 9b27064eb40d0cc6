// Text as wide as the terminal: lines that are too long are broken at words, and go on below the text that they belong to.
// Everything printed for people passes through here; what is for programs, and what goes into a pipe, does not.

/** How much of the width a label may take before its text begins on a line of its own. */
const LABEL_SHARE = 0.5;
const INDENT = 4;
/** However narrow the terminal: one letter below each other says nothing. */
const LEAST = 8;
/** Where a word that is longer than a line is broken, if it can be: behind these. */
const JOINTS = /[/:,;=×]/;
/** A figure and its unit. */
const FIGURE = /(\d) (ms|µs|s|min|h|B|[KMGT]?i?B|%)(?![A-Za-z])/g;
/** Stands for a space at which no line is broken: a letter that nobody uses. */
const GLUE = "\ue000";
// Escape sequences of colours and the like (ECMA-48, CSI): they take no room.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;
/** Letters that take two columns: East Asian wide ones and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu;

/** How wide the lines of a stream may be: the terminal's width; undefined where it is no terminal, whose lines stay whole. */
export function columnsOf(stream: { readonly isTTY?: boolean; readonly columns?: number }): number | undefined {
  return stream.isTTY ? stream.columns || undefined : undefined;
}

/** Columns that a text takes in a terminal. */
export function widthOf(text: string): number {
  const bare = text.replace(ESCAPES, "");
  return [...bare].length + (bare.match(WIDE)?.length ?? 0);
}

/**
 * Breaks the lines that are longer than `columns`.
 *
 * @param columns undefined leaves them as they are
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

/** A line without a label: `note: …` and the like go on a little further in. */
function breakText(line: string, left: number, width: number): string[] {
  const hanging = /^ *[A-Za-z][A-Za-z ]{1,14}: /.test(line) ? left + 2 : left;
  const below = Math.min(hanging, Math.floor(width / 2));
  const start = Math.min(left, Math.floor(width / 2));
  const [first, ...rest] = wrap(line.trimStart(), width - below, below - start);
  return [" ".repeat(start) + first, ...rest.map((part) => " ".repeat(below) + part)];
}

/** Words in lines of at most `width`, figures with their units; the first has room for `extra` more. */
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
    // What does not fit into any line is broken where it is, if there is room for some of it.
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

/** The part of a word that fits, if possible up to a joint, and the rest. */
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
