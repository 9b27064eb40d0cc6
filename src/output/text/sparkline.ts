// Shows a row of figures as small bars, and keeps a bounded record of them.

const BARS = "▁▂▃▄▅▆▇█";
/** An even number, so that a full record consists of pairs. */
const CAPACITY = 24;

/** Returns one bar per value. The highest value has the highest bar, and zero the lowest. */
export function sparkline(values: readonly number[]): string {
  const greatest = Math.max(...values);
  if (!(greatest > 0)) return BARS[0]!.repeat(values.length);
  return values.map((value) => BARS[Math.round((Math.max(0, value) / greatest) * (BARS.length - 1))]).join("");
}

/**
 * Values since the start. When there are too many values, each pair of neighbours is replaced
 * by its mean.
 */
export class Trend {
  #means: number[] = [];
  /** Number of values in each mean. */
  #stride = 1;
  #sum = 0;
  #count = 0;

  add(value: number): void {
    this.#sum += value;
    this.#count++;
    if (this.#count < this.#stride) return;
    this.#means.push(this.#sum / this.#count);
    this.#sum = this.#count = 0;
    if (this.#means.length < CAPACITY) return;
    this.#means = this.#means.flatMap((mean, index, all) => (index % 2 === 0 ? [(mean + all[index + 1]!) / 2] : []));
    this.#stride *= 2;
  }

  get values(): readonly number[] {
    return this.#means;
  }
}
