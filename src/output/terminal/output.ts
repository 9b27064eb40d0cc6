// Where every text of this program leaves it, and what came from outside loses its escape codes on the way: nothing else writes to
// standard output or standard error (test/output/terminal/output.test.ts looks). So it is the one place that knows how wide the terminal is. Line ends are ours: the functions that make texts take
// their data through printableData().
import { printable, printableExcept, printableJson, visible } from "../../util/printable.js";
import { columnsOf, fitText } from "./columns.js";

/** The codes of paint.ts, the only ones that may pass. */
const ESCAPE = "\u001b";
const PAINTED = new RegExp(`(${ESCAPE}\\[(?:1|2|22|3[126]|39)m)`);

const MOST_WAITING_BYTES = 1024 ** 2;

/** What a run came to, until it is known to be written: a full disk must not take it away. */
export interface Result {
  readonly text: string;
  readonly isJson: boolean;
}

let unwritten: Result | undefined;
const ofEvents = new WeakSet<Error>();

/** A line, or several, on standard output. */
export function print(text: string): void {
  write(process.stdout, `${text}\n`);
}

/** Whether more than a mebibyte waits in this process for whoever reads standard output: what can be left out is left out then. */
export function isOutputBehind(): boolean {
  return process.stdout.writableLength > MOST_WAITING_BYTES;
}

/** Text for a program, or as it is to stand in a file: a page, a script, metrics. Its lines stay whole. */
export function printFile(text: string): void {
  process.stdout.write(safeFor(text, process.stdout));
}

/** A value as one line of JSON on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${printableJson(value)}\n`);
}

/**
 * An event of a run as one line of JSON on standard output. One that cannot be written (isOfEvent() knows its error) does not end the
 * run: what that comes to counts more. A reader that has gone does.
 */
export function printEvent(value: object): void {
  process.stdout.write(`${printableJson(value)}\n`, (error) => {
    if (error && (error as NodeJS.ErrnoException).code !== "EPIPE") ofEvents.add(error);
  });
}

/** Whether it was an event that standard output did not take. */
export function isOfEvent(error: Error): boolean {
  return ofEvents.has(error);
}

/** A run's result on standard output, which is not lost when that takes no more: takeUnwritten() has it then. */
export function printResult(value: object | string): void {
  const isJson = typeof value !== "string";
  const text = isJson ? printableJson(value) : shownOn(process.stdout, value);
  unwritten = { text: `${text}\n`, isJson };
  process.stdout.write(unwritten.text, (error) => {
    if (!error) unwritten = undefined;
  });
}

/** What printResult() could not write, once. */
export function takeUnwritten(): Result | undefined {
  const result = unwritten;
  unwritten = undefined;
  return result;
}

/** Bytes of a connection inside a line: as they came for a program, visible for a person's terminal. */
export function printReceived(before: string, received: string, after: string): void {
  const shown = process.stdout.isTTY ? visible(received) : received;
  process.stdout.write(`${before}${shown}${after}\n`);
}

/** A line, or several, on standard error: notes, progress. */
export function printNote(text: string): void {
  write(process.stderr, `${text}\n`);
}

/** What commander says: help, or a mistake of usage. */
export function write(stream: NodeJS.WriteStream, text: string): void {
  stream.write(shownOn(stream, text));
}

/** A text for people as it is written to a stream: safe, and on a terminal no wider than that. */
export function shownOn(stream: { readonly isTTY?: boolean; readonly columns?: number }, text: string): string {
  return fitText(safeFor(text, stream), columnsOf(stream));
}

/** A text without any character that a terminal acts on, line ends and our own colours aside. */
export function safeFor(text: string, stream: { readonly isTTY?: boolean }): string {
  if (!stream.isTTY) return ofLines(text);
  return text
    .split(PAINTED)
    .map((part, index) => (index % 2 === 1 ? part : ofLines(part)))
    .join("");
}

function ofLines(text: string): string {
  return printableExcept(text, (character) => character === "\n");
}

/** An error's sentence in one line. */
export function sentence(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}
