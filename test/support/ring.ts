// io_urings for tests; each is closed at the end of its test.
import { onTestFinished } from "vitest";
import { Ring } from "../../src/linux/uring/ring.js";
import type { RingOptions } from "../../src/linux/uring/setup.js";
import { uringObstacle } from "../../src/linux/uring/support.js";
import { until } from "./until.js";

const obstacle = uringObstacle();
export const hasUring = obstacle === undefined;
if (obstacle) console.warn(`skipped: io_uring is not to be had here: ${JSON.stringify(obstacle)}`);

export interface Completion {
  readonly slot: number;
  readonly tag: number;
  readonly result: number;
  readonly flags: number;
}

export function openRing(options: RingOptions = { entries: 64, completions: 128 }): Ring {
  const ring = Ring.open(options);
  if (typeof ring === "number") throw new Error(`io_uring_setup: errno ${-ring}`);
  onTestFinished(() => ring.close());
  return ring;
}

/** Takes all completions that are available now. */
export function takeCompletions(ring: Ring): Completion[] {
  const taken: Completion[] = [];
  for (let i = 0; i < ring.ready; i++) {
    taken.push({ slot: ring.slotAt(i), tag: ring.tagAt(i), result: ring.resultAt(i), flags: ring.flagsAt(i) });
  }
  ring.advance(ring.ready);
  return taken;
}

/** Enters the ring until `count` completions have arrived. */
export async function completionsOf(ring: Ring, count: number): Promise<Completion[]> {
  const seen: Completion[] = [];
  await until(
    `${count} completions`,
    () => {
      const failed = ring.enter(0, 0);
      if (failed < 0) throw new Error(`io_uring_enter: errno ${-failed}`);
      seen.push(...takeCompletions(ring));
      return seen;
    },
    () => seen.length >= count,
  );
  return seen;
}
