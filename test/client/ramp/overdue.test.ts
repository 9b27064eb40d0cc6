// Tests the scan for overdue connections, with the states of slots given.
import { expect, it } from "vitest";
import { LossStats } from "../../../src/client/evidence/loss-stats.js";
import { CLIENT_METRICS, COUNTER } from "../../../src/client/metrics.js";
import { InFlight } from "../../../src/client/ramp/in-flight.js";
import { OverdueScan } from "../../../src/client/ramp/overdue.js";
import { type ConnectPlan, SHARED } from "../../../src/client/worker-plan.js";
import { WorkerMemory } from "../../../src/engine/worker-memory.js";
import { SLOT } from "../../../src/transport/slot-state.js";

/** A scan takes several turns. */
const SLOTS = 40_000;
const TIMEOUT_MS = 400;

/** Slot 7 is opening since time 0, and all other slots are resting. */
function oneInFlight() {
  const memory = new WorkerMemory(CLIENT_METRICS.layout);
  const { counters } = memory;
  const shared = new SharedArrayBuffer(SHARED.words * 4);
  const plan = { shared, connectTimeoutMs: TIMEOUT_MS, handshakeTimeoutMs: TIMEOUT_MS } as unknown as ConnectPlan;
  const inFlight = new InFlight(plan, memory, SLOTS);
  const overdue: number[] = [];
  const owner = {
    nowMs: 0,
    shakesHands: false,
    inFlight,
    ages: new LossStats(counters, SLOTS),
    expire: (slot: number, nowMs: number) => inFlight.sinceMs(slot, nowMs) >= TIMEOUT_MS && overdue.push(slot),
    timeOut: () => undefined,
    settle: () => undefined,
  };
  inFlight.began(7, 0);
  counters[COUNTER.inFlight] = 1;
  const transport = { end: SLOTS, state: (slot: number) => (slot === 7 ? SLOT.opening : SLOT.resting) };
  return { scan: new OverdueScan(owner, transport, plan, counters), owner, counters, overdue };
}

it("finds an overdue handshake, and skips settled slots in later scans", () => {
  const { scan, owner, overdue } = oneInFlight();
  for (owner.nowMs = 0; owner.nowMs < 2 * TIMEOUT_MS; owner.nowMs += TIMEOUT_MS / 8) scan.turn();
  expect(overdue).toContain(7);
  expect(owner.inFlight.settledBelow).toBe(7);
});

it("continues a scan at once while connections are in flight", () => {
  const { scan } = oneInFlight();
  scan.turn();
  expect(scan.untilNextMs(0)).toBe(0);
  scan.turn();
  scan.turn();
  expect(scan.untilNextMs(0)).toBe(TIMEOUT_MS / 4);
});

it("lets the loop sleep when the last connection in flight settles in the middle of a scan", () => {
  const { scan, counters } = oneInFlight();
  scan.turn();
  counters[COUNTER.inFlight] = 0;
  scan.turn();
  expect(scan.untilNextMs(0)).toBe(Number.POSITIVE_INFINITY);
});
