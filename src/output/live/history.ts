// Bounded history of a run. When the history is full, neighbouring rows are merged in pairs, so a month-long run takes
// no more space than a run of a minute. The server and every page each keep a history, so a page that joins late sees
// the same curves.
import type { Column, Row } from "./feed.js";

/** An even number, so that a full history consists of pairs. */
const CAPACITY = 600;

export class History {
  readonly #columns: readonly Column[];
  readonly #capacity: number;
  /** Number of samples merged into each row. */
  #stride: number;
  /** Number of samples in the last row so far. */
  #covered: number;
  #rows: (number | null)[][];

  constructor(
    columns: readonly Column[],
    { rows, stride, covered }: { readonly rows: readonly Row[]; readonly stride: number; readonly covered: number } = {
      rows: [],
      stride: 1,
      covered: 0,
    },
    capacity = CAPACITY,
  ) {
    this.#columns = columns;
    this.#capacity = capacity;
    this.#rows = rows.map((row) => [...row]);
    this.#stride = stride;
    this.#covered = covered;
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  add(row: Row): void {
    const last = this.#rows.at(-1);
    if (last && this.#covered < this.#stride) {
      this.#merge(last, row);
      this.#covered++;
      return;
    }
    if (this.#rows.length >= this.#capacity) this.#halve();
    this.#rows.push([...row]);
    this.#covered = 1;
  }

  /** Returns a copy that another History can continue from. */
  state(): { rows: readonly Row[]; stride: number; covered: number } {
    return { rows: this.#rows, stride: this.#stride, covered: this.#covered };
  }

  #halve(): void {
    this.#rows = this.#rows.flatMap((row, index, all) => {
      if (index % 2 === 1) return [];
      const next = all[index + 1];
      if (next) this.#merge(row, next);
      return [row];
    });
    this.#stride *= 2;
  }

  #merge(into: (number | null)[], row: Row): void {
    this.#columns.forEach(({ merge }, index) => {
      const [before, after] = [into[index] ?? null, row[index] ?? null];
      if (merge === "last") into[index] = after;
      else if (after !== null) into[index] = before === null ? after : Math.max(before, after);
    });
  }
}
