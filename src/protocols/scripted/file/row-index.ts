// Finds where each row of a data file begins, so that workers can read any row of a file that does not fit into memory.
// The index takes four bytes per row, and all threads share it.
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { extname } from "node:path";
import { quoted, shortened } from "../../../util/printable.js";
import { CsvCheck } from "./csv-check.js";
import { invalid } from "./data-failure.js";
import { parseCsvRow } from "./row-text.js";

const CHUNK_BYTES = 1024 * 1024;
/** Number of rows whose positions are relative to the same base. */
const ROWS_PER_BASE = 1024;
/** Maximum length of a list of columns in a message. */
const LONGEST_LIST = 300;
/** Length of the longest row in bytes. */
export const LONGEST_ROW = 1024 * 1024;

const [LF, CR, BRACE] = [10, 13, 123] as const;

export type RowFormat = "csv" | "jsonl";
/** Formats by the extension of a file. */
export const FORMATS: Readonly<Record<string, RowFormat>> = { ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl" };

/** The positions of rows, as plain data and shared memory. */
export interface RowIndex {
  readonly file: string;
  readonly format: RowFormat;
  /** Column names of a CSV file; empty for JSON lines, where each row has its own. */
  readonly columns: readonly string[];
  readonly count: number;
  /** Size of the file when it was read. */
  readonly bytes: number;
  readonly bases: Float64Array;
  readonly places: Uint32Array;
}

/**
 * Reads a file once. A CSV file begins with its column names. Rows end with LF or CRLF outside quotes, and empty lines
 * are skipped.
 *
 * @param wanted required columns
 * @throws {AppError} E_OPTION if the file cannot be read, has no rows, or lacks a column
 */
export function indexRows(file: string, wanted: readonly string[]): RowIndex {
  const format = formatOf(file);
  const found = scan(file, format);
  const columns = format === "csv" ? headerOf(file, found) : [];
  const first = format === "csv" ? 1 : 0;
  const missing = format === "csv" ? wanted.find((name) => !columns.includes(name)) : undefined;
  if (missing !== undefined) {
    const names = shortened(columns.map(quoted).join(", "), LONGEST_LIST);
    const problem = `has no column ${quoted(missing)}; its first line has ${names}`;
    throw invalid(file, problem, headerFix(columns));
  }
  const count = found.places.length - first;
  if (count < 1) throw invalid(file, "has no rows", "use one row or more");
  return { file, format, columns, count, bytes: found.bytes, ...packed(found.places, first) };
}

function headerFix(columns: readonly string[]): string {
  if (columns.length === 1 && /[;\t|]/.test(columns[0]!)) return "separate fields by commas";
  return columns.some((name) => name.includes("\r")) ? "end lines with LF or CRLF" : "add it to the first line";
}

/** Returns where row `row` (starting at 0) begins. */
export function rowStart({ bases, places }: RowIndex, row: number): number {
  return bases[Math.floor(row / ROWS_PER_BASE)]! + places[row]!;
}

interface Scanned {
  readonly places: Float64Array;
  readonly bytes: number;
  /** Beginning of the file. */
  readonly head: Buffer;
}

function scan(file: string, format: RowFormat): Scanned {
  const fd = open(file);
  try {
    const { size } = fstatSync(fd);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const csv = format === "csv" ? new CsvCheck(file) : undefined;
    let head: Buffer | undefined;
    let places = new Float64Array(1024);
    let count = 0;
    let line = 1;
    let isInRow = false;
    let offset = 0;
    for (;;) {
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, offset);
      if (length === 0) break;
      head ??= Buffer.from(chunk.subarray(0, length));
      for (let at = offset === 0 ? bomLength(file, chunk, length) : 0; at < length; at++) {
        const byte = chunk[at]!;
        csv?.take(byte, line);
        if (byte === LF) {
          line++;
          if (!csv?.isQuoted) isInRow = false;
        } else if (!isInRow && byte !== CR) {
          if (format === "jsonl" && byte !== BRACE) {
            throw invalid(file, `has no JSON object in line ${line}`, 'write one per line, such as {"name": "anna"}');
          }
          if (count === places.length) {
            const larger = new Float64Array(2 * count);
            larger.set(places);
            places = larger;
          }
          places[count++] = offset + at;
          isInRow = true;
        }
      }
      offset += length;
    }
    csv?.end(line);
    return { places: places.subarray(0, count), bytes: Math.max(size, offset), head: head ?? Buffer.alloc(0) };
  } finally {
    closeSync(fd);
  }
}

function packed(all: Float64Array, first: number): Pick<RowIndex, "bases" | "places"> {
  const count = all.length - first;
  const bases = new Float64Array(new SharedArrayBuffer(8 * Math.ceil(count / ROWS_PER_BASE)));
  const places = new Uint32Array(new SharedArrayBuffer(4 * count));
  for (let row = 0; row < count; row++) {
    if (row % ROWS_PER_BASE === 0) bases[row / ROWS_PER_BASE] = all[first + row]!;
    places[row] = all[first + row]! - bases[Math.floor(row / ROWS_PER_BASE)]!;
  }
  return { bases, places };
}

function headerOf(file: string, { head, places }: Scanned): string[] {
  if (places.length === 0) throw invalid(file, "is empty", "begin with a line of column names");
  const columns = parseCsvRow(head, places[0]!, head.length);
  const twice = columns.find((name, n) => columns.indexOf(name) !== n);
  if (twice !== undefined) throw invalid(file, `has two columns ${quoted(twice)}`, "rename one in the first line");
  return columns;
}

function formatOf(file: string): RowFormat {
  const extension = extname(file).toLowerCase();
  if (Object.hasOwn(FORMATS, extension)) return FORMATS[extension]!;
  throw invalid(file, "has an unknown type", "name it .csv or .jsonl");
}

function open(file: string): number {
  try {
    // Opening a FIFO would wait for a writer.
    if (statSync(file).isFile()) return openSync(file, "r");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalid(file, code === "ENOENT" ? "does not exist" : `cannot be read (${code})`, "check the path");
  }
  throw invalid(file, "is not a regular file", "check the path");
}

/** Returns the length of a UTF-8 byte order mark. */
function bomLength(file: string, bytes: Buffer, length: number): number {
  const [first, second] = bytes;
  if (length >= 2 && ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))) {
    throw invalid(file, "is in UTF-16", "save it as UTF-8");
  }
  return length >= 3 && first === 0xef && second === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}
