// How fast a count grows: the mean over the last moments, so that the figure can be read while it changes.

const WINDOW_MS = 1000;

/** Takes a count now and then and says how fast it grew over the last second or so. */
export class RateMeter {
  readonly #points: { readonly atMs: number; readonly count: number }[] = [{ atMs: 0, count: 0 }];

  /** @returns growth per second, 0 when nothing can be said yet */
  take(atMs: number, count: number): number {
    const points = this.#points;
    points.push({ atMs, count });
    // Keep one point that is at least a window old: it is what the newest is compared with.
    while (points.length > 2 && atMs - points[1]!.atMs >= WINDOW_MS) points.shift();
    const first = points[0]!;
    return atMs > first.atMs ? ((count - first.count) * 1000) / (atMs - first.atMs) : 0;
  }
}
