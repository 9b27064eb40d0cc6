// Extracts series from the rows of a run: a column, or the growth of a counter per second.
import type { LiveHead, Row } from "../feed.js";

/** Values over time; null where a value is missing. */
export type Values = (number | null)[];

/**
 * Shortest time over which a rate is computed. Over a shorter time, the rate would mainly reflect when
 * the counters were read.
 */
const RATE_SECONDS = 0.9;

export class Reader {
  readonly #places: ReadonlyMap<string, number>;

  constructor({ columns }: Pick<LiveHead, "columns">) {
    this.#places = new Map(columns.map(({ name }, index) => [name, index]));
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** Returns a column, divided by `divisor`. */
  values(rows: readonly Row[], name: string, divisor = 1): Values {
    const place = this.#places.get(name);
    return rows.map((row) => {
      const value = place === undefined ? null : (row[place] ?? null);
      return value === null ? null : value / divisor;
    });
  }

  /** Returns the newest value of a column; 0 if there are no rows. */
  last(rows: readonly Row[], name: string): number {
    const place = this.#places.get(name);
    return (place === undefined ? null : rows.at(-1)?.[place]) ?? 0;
  }

  /** Returns the newest value of a column that is not null. */
  lastKnown(rows: readonly Row[], name: string): number | undefined {
    const place = this.#places.get(name);
    const row = place === undefined ? undefined : rows.findLast((each) => each[place] != null);
    return row?.[place!] ?? undefined;
  }

  /** Returns how fast a counter grows per second, over the last second or so of each row. */
  rate(rows: readonly Row[], name: string): Values {
    const times = this.values(rows, "elapsedMs", 1000);
    const counts = this.values(rows, name);
    let from = 0;
    return counts.map((count, index) => {
      const at = times[index]!;
      while (from + 1 < index && at - times[from + 1]! >= RATE_SECONDS) from++;
      const seconds = at - times[from]!;
      return seconds > 0 ? Math.max(0, (count! - counts[from]!) / seconds) : null;
    });
  }
}
