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

describe("a timed state is as predicted", () => {
  it.each<[string, Partial<Seen>, ReturnType<typeof judgeLifetime>]>([
    ["while its timer says so", {}, "confirmed"],
    ["when it is gone in time", { stayedMs: 60_500, missedMs: 61_500, goneMs: 61_500 }, "confirmed"],
    ["not when some are gone early", { missedMs: 3300 }, "refuted"],
    ["not when the timer says less", { timerMs: [29_900, 30_100] }, "refuted"],
    ["not when the timer says more", { timerMs: [89_900, 90_100] }, "refuted"],
    ["not when the timer was set anew", { timerMs: [60_100, 59_900] }, "refuted"],
    ["not without a timer", { timerMs: undefined, hasNoTimer: true }, "refuted"],
    ["not when it is gone early", { stayedMs: 20_000, missedMs: 21_000, goneMs: 21_000 }, "refuted"],
    ["not when it stays", { stayedMs: 70_000 }, "refuted"],
    [
      "unless no snapshot was in time",
      { stayedMs: 0, timerMs: undefined, missedMs: 70_000, goneMs: 70_000 },
      "inconclusive",
    ],
  ])("%s", (_, changed, expected) => {
    expect(judgeLifetime(seen(changed))).toBe(expected);
  });
});

describe("a state that nothing ends", () => {
  it.each<[string, Partial<Seen>, ReturnType<typeof judgeLifetime>]>([
    ["is as predicted while it is there without a timer", { timerMs: undefined, hasNoTimer: true }, "confirmed"],
    ["is not when a timer runs", {}, "refuted"],
    ["is not when it is gone", { timerMs: undefined, hasNoTimer: true, missedMs: 5000, goneMs: 5000 }, "refuted"],
    ["is not told before the first snapshot", { stayedMs: 0, timerMs: undefined }, "inconclusive"],
    ["is not when some are gone", { timerMs: undefined, hasNoTimer: true, missedMs: 5000 }, "refuted"],
  ])("%s", (_, changed, expected) => {
    expect(judgeLifetime(seen(changed, { predictedMs: undefined, countsDown: false }))).toBe(expected);
  });
});

describe("one that retransmissions end", () => {
  it.each<[string, Partial<Seen>, ReturnType<typeof judgeLifetime>]>([
    ["is as predicted when it is gone in time", { stayedMs: 1500, missedMs: 2000, goneMs: 2500 }, "confirmed"],
    ["is not told while it stays", { stayedMs: 2000 }, "inconclusive"],
    ["is not when it stays past that", { stayedMs: 4200 }, "refuted"],
    ["is not when it is gone before", { stayedMs: 500, missedMs: 1000, goneMs: 1000 }, "refuted"],
    ["is not when some are gone before", { stayedMs: 500, missedMs: 1000, goneMs: 2500 }, "refuted"],
    ["is not told while some stay", { stayedMs: 1500, missedMs: 2000 }, "inconclusive"],
    ["is not told by looks that are far apart", { stayedMs: 0, missedMs: 5100, goneMs: 5100 }, "inconclusive"],
    ["is not told by an end that was seen late", { stayedMs: 1500, missedMs: 9000, goneMs: 9000 }, "inconclusive"],
    ["is not when it is gone after", { stayedMs: 5000, missedMs: 5500, goneMs: 5500 }, "refuted"],
  ])("%s", (_, changed, expected) => {
    expect(judgeLifetime(seen(changed, { predictedMs: [1400, 4100], countsDown: false }))).toBe(expected);
  });
});
