// The time from the moment when all agents are ready to the end of a run.

/** setTimeout() takes 31 bits. */
const LONGEST_MS = 2 ** 31 - 1;

export class Hold {
  #timer: NodeJS.Timeout | undefined;
  #untilMs: number | undefined;
  #isOver = false;

  /** Time that is left; undefined if the hold has not begun. */
  get leftMs(): number | undefined {
    return this.#untilMs === undefined ? undefined : Math.max(0, this.#untilMs - performance.now());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  begin(durationMs: number, over: () => void): void {
    if (this.#untilMs !== undefined) return;
    this.#untilMs = performance.now() + durationMs;
    this.#timer = setTimeout(
      () => {
        this.#isOver = true;
        over();
      },
      Math.min(durationMs, LONGEST_MS),
    );
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
