// Tests the verdict on how long sockets stay in a state, from the kernel's timers and from the time they disappeared.
import { describe, expect, it } from "vitest";
import { judgeLifetime } from "../../../src/lab/observe/lifetime-verdict.js";
import type { Seen, StateLifetime } from "../../../src/lab/observe/state-lifetime.js";
import type { Host } from "../../../src/lab/testbed/host.js";

const TIMED: StateLifetime = {
  host: {} as Host,
  port: 7777,
  state: "TIME_WAIT",
  sockets: 50,
  beganMs: [0, 200],
  predictedMs: [60_000, 67_500],
  countsDown: true,
};
const seen = (changed: Partial<Seen>, lifetime: Partial<StateLifetime> = {}): Seen => ({
  lifetime: { ...TIMED, ...lifetime },
  stayedMs: 3000,
  missedMs: undefined,
  goneMs: undefined,
  timerMs: [59_900, 60_100],
  hasNoTimer: false,
  ...changed,
});

describe("a timed state is judged by its prediction", () => {
  it.each<[string, Partial<Seen>, ReturnType<typeof judgeLifetime>]>([
    ["as predicted while its timer says so", {}, "confirmed"],
    ["as predicted when it ends in time", { stayedMs: 60_500, missedMs: 61_500, goneMs: 61_500 }, "confirmed"],
    ["not as predicted when some end early", { missedMs: 3300 }, "refuted"],
    ["not as predicted when the timer is shorter", { timerMs: [29_900, 30_100] }, "refuted"],
    ["not as predicted when the timer is longer", { timerMs: [89_900, 90_100] }, "refuted"],
    ["not as predicted when the timer was restarted", { timerMs: [60_100, 59_900] }, "refuted"],
    ["not as predicted without a timer", { timerMs: undefined, hasNoTimer: true }, "refuted"],
    ["not as predicted when it ends early", { stayedMs: 20_000, missedMs: 21_000, goneMs: 21_000 }, "refuted"],
    ["not as predicted when it stays", { stayedMs: 70_000 }, "refuted"],
    [
      "inconclusive if no snapshot came in time",
      { stayedMs: 0, timerMs: undefined, missedMs: 70_000, goneMs: 70_000 },
      "inconclusive",
    ],
  ])("%s", (_, changed, expected) => {
    expect(judgeLifetime(seen(changed))).toBe(expected);
  });
});

describe("a state that does not end", () => {
  it.each<[string, Partial<Seen>, ReturnType<typeof judgeLifetime>]>([
    ["is as predicted while it stays without a timer", { timerMs: undefined, hasNoTimer: true }, "confirmed"],
    ["is not as predicted if a timer is running", {}, "refuted"],
    [
      "is not as predicted if it ends",
      { timerMs: undefined, hasNoTimer: true, missedMs: 5000, goneMs: 5000 },
      "refuted",
    ],
    ["is inconclusive before the first snapshot", { stayedMs: 0, timerMs: undefined }, "inconclusive"],
    [
      "is not as predicted if some sockets are gone",
      { timerMs: undefined, hasNoTimer: true, missedMs: 5000 },
      "refuted",
    ],
  ])("%s", (_, changed, expected) => {
    expect(judgeLifetime(seen(changed, { predictedMs: undefined, countsDown: false }))).toBe(expected);
  });
});

describe("a state that retransmissions end", () => {
  it.each<[string, Partial<Seen>, ReturnType<typeof judgeLifetime>]>([
    ["is as predicted if it ends in time", { stayedMs: 1500, missedMs: 2000, goneMs: 2500 }, "confirmed"],
    ["is inconclusive while it stays", { stayedMs: 2000 }, "inconclusive"],
    ["is not as predicted if it stays longer", { stayedMs: 4200 }, "refuted"],
    ["is not as predicted if it ends early", { stayedMs: 500, missedMs: 1000, goneMs: 1000 }, "refuted"],
    ["is not as predicted if some end early", { stayedMs: 500, missedMs: 1000, goneMs: 2500 }, "refuted"],
    ["is inconclusive while some stay", { stayedMs: 1500, missedMs: 2000 }, "inconclusive"],
    ["is inconclusive if snapshots are far apart", { stayedMs: 0, missedMs: 5100, goneMs: 5100 }, "inconclusive"],
    ["is inconclusive if the end was seen late", { stayedMs: 1500, missedMs: 9000, goneMs: 9000 }, "inconclusive"],
    ["is not as predicted if it ends later", { stayedMs: 5000, missedMs: 5500, goneMs: 5500 }, "refuted"],
  ])("%s", (_, changed, expected) => {
    expect(judgeLifetime(seen(changed, { predictedMs: [1400, 4100], countsDown: false }))).toBe(expected);
  });
});
