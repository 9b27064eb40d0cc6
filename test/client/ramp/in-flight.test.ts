// Tests the times of connections in flight, which take 32 bits each, and the mark below which all slots are settled.
import { expect, it } from "vitest";
import { CLIENT_METRICS, HISTOGRAM } from "../../../src/client/metrics.js";
import { InFlight } from "../../../src/client/ramp/in-flight.js";
import { type ConnectPlan, SHARED } from "../../../src/client/worker-plan.js";
import { WorkerMemory } from "../../../src/engine/worker-memory.js";

const SLOTS = 8;
/** Microseconds modulo 2^32 begin again at this time. */
const WRAPS_MS = 2 ** 32 / 1000;

function inFlight() {
  const memory = new WorkerMemory(CLIENT_METRICS.layout);
  const plan = { shared: new SharedArrayBuffer(SHARED.words * 4), closesGreeted: false } as unknown as ConnectPlan;
  return { tracked: new InFlight(plan, memory, SLOTS), histograms: memory.histograms };
}

it.each([0, 5.25, WRAPS_MS - 1, 3 * WRAPS_MS - 0.5])("times a handshake that starts at %d ms", (startMs) => {
  const { tracked, histograms } = inFlight();
  tracked.began(1, startMs);
  expect(tracked.isTimed(1)).toBe(true);
  expect(tracked.sinceMs(1, startMs + 2.5)).toBeCloseTo(2.5, 2);
  tracked.established(1, startMs + 2.5);
  expect(histograms[HISTOGRAM.connectUs]!.max).toBeCloseTo(2500, -1);
  expect(tracked.firstByte(1, startMs + 7, 4, true)).toBeCloseTo(7, 2);
  expect(tracked.isTimed(1)).toBe(false);
});

it("takes a start after the event that is being handled as now", () => {
  const { tracked } = inFlight();
  tracked.began(0, 100);
  expect(tracked.sinceMs(0, 99.9)).toBe(0);
});

it("goes by the time since ESTABLISHED for a first byte after hours", () => {
  const { tracked } = inFlight();
  tracked.began(0, 100);
  const heldMs = 5 * 3_600_000;
  expect(tracked.firstByte(0, 100 + heldMs, heldMs, false)).toBe(heldMs);
});

it("lowers the mark of settled slots when one of them is used again", () => {
  const { tracked } = inFlight();
  tracked.settledBelow = 6;
  tracked.began(7, 1);
  expect(tracked.settledBelow).toBe(6);
  tracked.began(3, 1);
  expect(tracked.settledBelow).toBe(3);
});
