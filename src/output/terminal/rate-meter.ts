// Measures how fast a count grows. The rate is averaged over about a second, or longer if the count is known less often,
// so that the figure is readable while it changes.

const WINDOW_MS = 1000;

/** Computes the growth rate of a count over the last second or so, or another window. */
export class RateMeter {
  readonly #windowMs: number;
  readonly #points: { readonly atMs: number; readonly count: number }[] = [{ atMs: 0, count: 0 }];

  constructor(windowMs = WINDOW_MS) {
    this.#windowMs = windowMs;
  }

  /** @returns growth per second; 0 as long as it is unknown */
  take(atMs: number, count: number): number {
    const points = this.#points;
    points.push({ atMs, count });
    // Keep one point that is at least a window old, for comparison with the newest.
    while (points.length > 2 && atMs - points[1]!.atMs >= this.#windowMs) points.shift();
    const first = points[0]!;
    return atMs > first.atMs ? ((count - first.count) * 1000) / (atMs - first.atMs) : 0;
  }
}
