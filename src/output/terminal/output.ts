// The only module that writes to standard output and standard error, as test/output/terminal/output.test.ts checks.
// This module removes escape codes that come from outside, and is the only module that knows the width of the
// terminal. Foreign data cannot add line ends, because every function that makes a text passes such data through
// printableData().
import { printable, printableExcept, printableJson, visible } from "../../util/printable.js";
import { columnsOf, fitText } from "./columns.js";

/** Matches the escape codes that paint.ts adds. All others are removed. */
const ESCAPE = "\u001b";
const PAINTED = new RegExp(`(${ESCAPE}\\[(?:1|2|22|3[126]|39)m)`);

const MOST_WAITING_BYTES = 1024 ** 2;

/** The result of a run that has not been written completely, retained so that it is not lost if the disk is full. */
export interface Result {
  readonly text: string;
  readonly isJson: boolean;
}

let unwritten: Result | undefined;
const ofEvents = new WeakSet<Error>();

/** Prints one or several lines on standard output. */
export function print(text: string): void {
  write(process.stdout, `${text}\n`);
}

/** Calls `done` once everything printed on standard output so far has been written, or could not be. */
export function afterOutput(done: () => void): void {
  process.stdout.write("", done);
}

/**
 * Returns whether more than 1 MiB of output is waiting for its reader. Callers then skip output that is not essential.
 */
export function isOutputBehind(): boolean {
  return process.stdout.writableLength > MOST_WAITING_BYTES;
}

/** Prints text for a program or a file, such as a page, a script or metrics. The text's lines are not wrapped. */
export function printFile(text: string): void {
  process.stdout.write(safeFor(text, process.stdout));
}

/** Prints a value as one line of JSON on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${printableJson(value)}\n`);
}

/**
 * Prints an event of a run as one line of JSON on standard output. If that fails (see isOfEvent()), the run continues,
 * because its result matters more. The run does end if the reader has gone away.
 */
export function printEvent(value: object): void {
  process.stdout.write(`${printableJson(value)}\n`, (error) => {
    if (error && (error as NodeJS.ErrnoException).code !== "EPIPE") ofEvents.add(error);
  });
}

/** Returns whether the error is a failed write of an event. */
export function isOfEvent(error: Error): boolean {
  return ofEvents.has(error);
}

/** Prints a run's result on standard output. If that fails, takeUnwritten() returns the result. */
export function printResult(value: object | string): void {
  const isJson = typeof value !== "string";
  const text = isJson ? printableJson(value) : shownOn(process.stdout, value);
  unwritten = { text: `${text}\n`, isJson };
  process.stdout.write(unwritten.text, (error) => {
    if (!error) unwritten = undefined;
  });
}

/** Returns the result that printResult() could not write, and clears it. */
export function takeUnwritten(): Result | undefined {
  const result = unwritten;
  unwritten = undefined;
  return result;
}

/** Prints bytes received from a connection, without a line end: unchanged for a program, escaped for a terminal. */
export function printReceived(before: string, received: string, after: string): void {
  const shown = process.stdout.isTTY ? visible(received) : received;
  process.stdout.write(`${before}${shown}${after}\n`);
}

/** Prints one or several lines on standard error, such as notes or progress. */
export function printNote(text: string): void {
  write(process.stderr, `${text}\n`);
}

/** Writes commander's output: help, or a usage error. */
export function write(stream: NodeJS.WriteStream, text: string): void {
  stream.write(shownOn(stream, text));
}

/** Returns a text as it will be written to a stream: made safe, and wrapped to the width of a terminal. */
export function shownOn(stream: { readonly isTTY?: boolean; readonly columns?: number }, text: string): string {
  return fitText(safeFor(text, stream), columnsOf(stream));
}

/** Removes all characters that a terminal acts on, except line ends and the colours of paint.ts. */
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

/** Returns an error's message on one line. */
export function sentence(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}
