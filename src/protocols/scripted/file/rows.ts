// Reads single rows of a data file in a worker, using an index built by the main thread.
import { closeSync, openSync, readSync } from "node:fs";
import { refusingUnknown } from "../unknown-names.js";
import { LONGEST_ROW, type RowIndex, rowStart } from "./row-index.js";
import { parseCsvRow, parseJsonRow } from "./row-text.js";

type Row = Readonly<Record<string, string>>;

const UNKNOWN = refusingUnknown((name, row) => `unknown column: ${name} (the row has ${Object.keys(row).join(", ")})`);

export class Rows {
  private readonly index: RowIndex;
  private readonly wraps: boolean;
  private readonly fd: number;
  private buffer = Buffer.alloc(4096);
  /** The last row read, cached because handlers use several columns of one row. */
  private lastNumber = 0;
  private last: Row | undefined;

  constructor(index: RowIndex, wraps: boolean) {
    this.index = index;
    this.wraps = wraps;
    this.fd = openSync(index.file, "r");
  }

  /**
   * Returns the row for connection `number`, starting at 1; undefined beyond the last row unless rows are reused.
   * Reading a column that the row lacks throws.
   */
  of(number: number): Row | undefined {
    if (number === this.lastNumber) return this.last;
    const { count } = this.index;
    if (number > count && !this.wraps) return undefined;
    this.last = this.read((number - 1) % count);
    this.lastNumber = number;
    return this.last;
  }

  close(): void {
    closeSync(this.fd);
  }

  private read(row: number): Row {
    const { index } = this;
    const start = rowStart(index, row);
    const end = row + 1 < index.count ? rowStart(index, row + 1) : index.bytes;
    const length = end - start;
    if (length > LONGEST_ROW)
      throw new RangeError(`row ${row + 1} of the data file is longer than ${LONGEST_ROW} bytes`);
    if (length > this.buffer.length) this.buffer = Buffer.alloc(2 * length);
    const { buffer } = this;
    if (readSync(this.fd, buffer, 0, length, start) < length) {
      throw new RangeError(`row ${row + 1} of the data file is cut short: the file has changed during the run`);
    }
    return Object.setPrototypeOf(index.format === "csv" ? this.csvRow(length) : this.jsonRow(length, row), UNKNOWN);
  }

  private csvRow(length: number): Row {
    const fields = parseCsvRow(this.buffer, 0, length);
    return Object.fromEntries(this.index.columns.map((name, n) => [name, fields[n] ?? ""]));
  }

  private jsonRow(length: number, row: number): Row {
    try {
      return parseJsonRow(this.buffer.toString("utf8", 0, length));
    } catch (error) {
      throw new SyntaxError(`row ${row + 1} of the data file: ${(error as Error).message}`);
    }
  }
}
