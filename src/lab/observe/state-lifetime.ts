// Measures how long sockets stay in a state, by reading their kernel timers repeatedly until they are gone.

import type { TcpState } from "../../results/sockets/socket-table.js";
import { type LabContext, pause } from "../experiment.js";
import type { Host } from "../testbed/host.js";
import { type SeenTimer, type SocketSnapshot, takeSnapshot } from "./socket-snapshot.js";

/** Interval between snapshots, each of which starts a process: short near the expected end, otherwise long. */
const POLL_MS = { least: 250, most: 3000, share: 1 / 4 } as const;
export interface StateLifetime {
  readonly host: Host;
  readonly port: number;
  readonly state: TcpState;
  readonly sockets: number;
  /** Earliest and latest possible beginning of the state, in milliseconds since the epoch. */
  readonly beganMs: readonly [first: number, last: number];
  /** Duration predicted from the host's settings; undefined if the state does not end. */
  readonly predictedMs: readonly [least: number, most: number] | undefined;
  /**
   * True if one readable timer runs from the beginning of the state to its end. Retransmission timers, by contrast, are
   * restarted.
   */
  readonly countsDown: boolean;
}

export interface Seen {
  readonly lifetime: StateLifetime;
  /** Time from the latest possible beginning to the last snapshot with all of the sockets. */
  readonly stayedMs: number;
  /**
   * Time from the earliest possible beginning to the first snapshot in which a socket was missing; undefined while all
   * are left.
   */
  readonly missedMs: number | undefined;
  /**
   * Time from the earliest possible beginning to the first snapshot without any socket; undefined while some are left.
   */
  readonly goneMs: number | undefined;
  /** Bounds on the duration derived from the timers in all snapshots; undefined if no timer was running. */
  readonly timerMs: readonly [least: number, most: number] | undefined;
  /** True if no socket had a timer in any snapshot. */
  readonly hasNoTimer: boolean;
}

/** Watches all states for at least `leastMs`, and then until those that should end within `graceMs` have ended. */
export async function watch(
  context: Pick<LabContext, "signal">,
  all: readonly StateLifetime[],
  leastMs: number,
  graceMs: number,
): Promise<Seen[]> {
  const startMs = Date.now();
  const watchers = all.map((lifetime) => new Watcher(lifetime));
  for (;;) {
    await Promise.all(watchers.map((watcher) => watcher.takeSnapshot()));
    const elapsedMs = Date.now() - startMs;
    const isOver = watchers.every(({ seen, mayEndIn }) => seen.goneMs !== undefined || mayEndIn(graceMs) === false);
    if (elapsedMs >= leastMs && (isOver || elapsedMs > graceMs)) return watchers.map(({ seen }) => seen);
    const waits = watchers.filter(({ seen }) => seen.goneMs === undefined).map((watcher) => watcher.untilNextMs());
    await pause(context, Math.min(...waits, POLL_MS.most, elapsedMs < leastMs ? leastMs - elapsedMs : POLL_MS.most));
  }
}

class Watcher {
  readonly #lifetime: StateLifetime;
  #stayedMs = 0;
  #missedMs: number | undefined;
  #goneMs: number | undefined;
  #timerMs: [number, number] | undefined;
  #hasNoTimer = true;

  constructor(lifetime: StateLifetime) {
    this.#lifetime = lifetime;
  }

  get seen(): Seen {
    return {
      lifetime: this.#lifetime,
      stayedMs: this.#stayedMs,
      missedMs: this.#missedMs,
      goneMs: this.#goneMs,
      timerMs: this.#timerMs,
      hasNoTimer: this.#stayedMs > 0 && this.#hasNoTimer,
    };
  }

  readonly mayEndIn = (ms: number): boolean => {
    const { predictedMs } = this.#lifetime;
    return predictedMs !== undefined && predictedMs[0] <= ms;
  };

  untilNextMs(): number {
    const { predictedMs, beganMs } = this.#lifetime;
    const leftMs = predictedMs === undefined ? POLL_MS.most : beganMs[0] + predictedMs[0] - Date.now();
    return Math.min(Math.max(leftMs * POLL_MS.share, POLL_MS.least), POLL_MS.most);
  }

  async takeSnapshot(): Promise<void> {
    if (this.#goneMs !== undefined) return;
    const { host, port, state, sockets, beganMs } = this.#lifetime;
    const { atMs, states, timers } = await takeSnapshot(host, port);
    const [beforeMs, afterMs] = atMs;
    const left = states[state] ?? 0;
    if (left >= sockets) this.#stayedMs = Math.max(0, beforeMs - beganMs[1]);
    else this.#missedMs ??= afterMs - beganMs[0];
    if (left === 0) this.#goneMs = afterMs - beganMs[0];
    const timer = timers.find((each) => each.state === state);
    if (timer) this.#note(timer, left, atMs);
  }

  #note(
    { without, shortestMs, longestMs }: SeenTimer,
    sockets: number,
    [beforeMs, afterMs]: SocketSnapshot["atMs"],
  ): void {
    if (without === sockets) return;
    this.#hasNoTimer = false;
    // An expired timer reads as 0 until the kernel handles it, so its due time is unknown.
    if (without > 0 || shortestMs === 0) return;
    const [first, last] = this.#lifetime.beganMs;
    const least = beforeMs + shortestMs - last;
    const most = afterMs + longestMs - first;
    // Each snapshot gives two bounds; keep their intersection.
    this.#timerMs = this.#timerMs
      ? [Math.max(this.#timerMs[0], least), Math.min(this.#timerMs[1], most)]
      : [least, most];
  }
}
