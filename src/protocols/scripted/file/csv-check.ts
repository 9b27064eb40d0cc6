// Checks a CSV file (RFC 4180) byte by byte while it is read: quotes, and the number of fields in each row.
import { invalid } from "./data-failure.js";

const [LF, CR, QUOTE, COMMA] = [10, 13, 34, 44] as const;
/** Bytes that some programs use instead of a comma to separate fields: tab, semicolon, vertical bar. */
const [TAB, SEMICOLON, BAR] = [9, 59, 124] as const;

export class CsvCheck {
  /** Whether the last byte taken is inside quotes. */
  isQuoted = false;
  private readonly file: string;
  private previous: number = LF;
  /** Whether the last byte taken closed a quoted field, unless the next one is also a quote. */
  private isClosed = false;
  private quoteLine = 0;
  private commas = 0;
  /** Whether the row contains one of those separators. */
  private hasOther = false;
  private isEmpty = true;
  /** Number of fields of the first row; -1 before its end. */
  private expectedCommas = -1;

  constructor(file: string) {
    this.file = file;
  }

  /** @throws {AppError} E_OPTION if the byte breaks the format */
  take(byte: number, line: number): void {
    const { previous } = this;
    this.previous = byte;
    if (this.isQuoted) {
      if (byte !== QUOTE) return;
      this.isQuoted = false;
      this.isClosed = true;
      return;
    }
    // A quote inside a field that does not begin with a quote is part of the field.
    if (byte === QUOTE && (this.isClosed || this.isEmpty || previous === COMMA)) {
      if (!this.isClosed) this.quoteLine = line;
      this.isQuoted = true;
      this.isClosed = this.isEmpty = false;
    } else if (byte === LF) this.endRow(line);
    else if (byte !== CR) {
      if (byte === COMMA) this.commas++;
      else if (this.isClosed) {
        const problem = `has text after a closing quote in line ${line}`;
        throw invalid(this.file, problem, "put the whole field in quotes, and double those within it");
      } else if (byte === SEMICOLON || byte === TAB || byte === BAR) this.hasOther = true;
      this.isClosed = this.isEmpty = false;
    }
  }

  /**
   * The file has ended.
   * @throws {AppError} E_OPTION if the file cannot end there
   */
  end(line: number): void {
    if (this.isQuoted) {
      const problem = `has a quote in line ${this.quoteLine} that is not closed`;
      throw invalid(this.file, problem, "close it, or double the quotes within a field");
    }
    this.endRow(line);
  }

  /** Fields at the end of a row may be missing and are then empty. */
  private endRow(line: number): void {
    const { commas, expectedCommas, hasOther, isEmpty } = this;
    this.commas = 0;
    this.isClosed = this.hasOther = false;
    this.isEmpty = true;
    if (isEmpty) return;
    if (expectedCommas < 0) this.expectedCommas = commas;
    else if (commas > expectedCommas || (commas === 0 && expectedCommas > 0 && hasOther)) {
      const problem = `has ${commas + 1} of ${expectedCommas + 1} fields in line ${line}`;
      const fix = hasOther && commas === 0 ? "separate fields by commas" : "put a field with a comma in quotes";
      throw invalid(this.file, problem, fix);
    }
  }
}
