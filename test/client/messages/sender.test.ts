// Tests the sender against a simple model of a peer that stalls, reads parts of messages and sends parts of answers.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Exchange } from "../../../src/client/exchange/exchange.js";
import { CLIENT_METRICS, COUNTER, HISTOGRAM } from "../../../src/client/metrics.js";
import { type ConnectPlan, SHARED } from "../../../src/client/worker-plan.js";
import { CONTROL, WorkerMemory } from "../../../src/engine/worker-memory.js";
import { type Histogram, toMicros } from "../../../src/results/histogram/histogram.js";
import { SLOT } from "../../../src/transport/slot-state.js";

const INTERVAL_MS = 100;
const CONNECTIONS = 3;
const MESSAGE = "0123456789";

const clock = { ms: 0 };
beforeEach(() => {
  vi.spyOn(performance, "now").mockImplementation(() => clock.ms);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/**
 * Returns a sender with a fake clock and a fake kernel in which each socket buffer accepts a limited number of bytes.
 */
function setUp(slots = CONNECTIONS) {
  clock.ms = 1000;
  const room = new Array<number>(slots).fill(Number.POSITIVE_INFINITY);
  const taken = new Array<number>(slots).fill(0);
  const transport = {
    state: () => SLOT.resting,
    send(slot: number, _: unknown, offset: number, length: number): number {
      if (room[slot] === 0) return 0;
      expect(offset).toBe(taken[slot]! % MESSAGE.length);
      const count = Math.min(length, room[slot]!);
      room[slot]! -= count;
      taken[slot]! += count;
      return count;
    },
  };
  const latenciesUs: number[] = [];
  const roundTrip = {
    record: (us: number, times = 1) => latenciesUs.push(...Array<number>(times).fill(toMicros(us))),
  } as unknown as Histogram;
  const memory = new WorkerMemory(CLIENT_METRICS.layout);
  Object.assign(memory.histograms, { [HISTOGRAM.roundTripUs]: roundTrip });
  const plan = {
    message: { bytes: new TextEncoder().encode(MESSAGE), intervalMs: INTERVAL_MS, expected: "echo" },
    share: slots,
    reset: true,
    shared: new SharedArrayBuffer(SHARED.words * 4),
  } as unknown as ConnectPlan;
  const nothing = () => undefined;
  const owner = { ready: nothing, close: nothing, refused: nothing, shown: nothing, isOpen: () => true };
  const exchange = new Exchange(transport, plan, memory, slots, owner);
  for (let slot = 0; slot < slots; slot++) exchange.opened(slot);
  const isOpen = () => true;
  const sender = {
    sendDue: (nowMs: number, end: number) => exchange.messages!.sendDue(nowMs, end, isOpen),
    resume: (slot: number) => exchange.sent(slot),
    receive: (slot: number, bytes: Uint8Array, length: number) => exchange.received(slot, bytes, 0, length),
    end: (slot: number, isOurs: boolean) => exchange.ended(slot, isOurs),
    finish: (graceMs: number) => exchange.finish(graceMs, slots, isOpen),
  };
  return { room, taken, exchange, sender, memory, latenciesUs };
}

describe("the messages on connections whose peers stall", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 200 }) }) },
    fc.record({
      kind: fc.constant("stall" as const),
      slot: fc.nat(CONNECTIONS - 1),
      bytes: fc.integer({ min: 0, max: 45 }),
    }),
    fc.record({ kind: fc.constant("read" as const), slot: fc.nat(CONNECTIONS - 1) }),
    fc.record({
      kind: fc.constant("answer" as const),
      slot: fc.nat(CONNECTIONS - 1),
      bytes: fc.integer({ min: 1, max: 60 }),
    }),
  );

  it("are each sent once, in order, and each answer is timed from its own message's due time", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { room, taken, sender, memory, latenciesUs } = setUp();
        const startMs = clock.ms;
        const answered = new Array<number>(CONNECTIONS).fill(0);
        const expected: number[] = [];
        const dueMs = (slot: number, n: number) => startMs + (n + slot / CONNECTIONS) * INTERVAL_MS;
        const dueBy = (slot: number) => Math.floor((clock.ms - dueMs(slot, 0)) / INTERVAL_MS + 1e-9) + 1;
        const answer = (slot: number, bytes: number) => {
          const text = MESSAGE.repeat(20).slice(answered[slot]! % 10, (answered[slot]! % 10) + bytes);
          for (let n = Math.floor(answered[slot]! / 10); n < Math.floor((answered[slot]! + bytes) / 10); n++) {
            expected.push((clock.ms - dueMs(slot, n)) * 1000);
          }
          answered[slot]! += bytes;
          sender.receive(slot, new TextEncoder().encode(text), bytes);
        };
        sender.sendDue(clock.ms, CONNECTIONS);
        for (const each of steps) {
          if (each.kind === "wait") {
            clock.ms += each.ms;
            sender.sendDue(clock.ms, CONNECTIONS);
          } else if (each.kind === "stall") {
            room[each.slot] = each.bytes;
          } else if (each.kind === "read") {
            room[each.slot] = Number.POSITIVE_INFINITY;
            sender.resume(each.slot);
          } else {
            // At most as much as the peer has read.
            answer(each.slot, Math.min(each.bytes, taken[each.slot]! - answered[each.slot]!));
          }
        }
        expect(latenciesUs).toEqual(expected.map((us) => Math.max(1, Math.round(us))));
        const { counters } = memory;
        const due = [0, 1, 2].reduce((sum, slot) => sum + Math.max(0, dueBy(slot)), 0);
        expect(counters[COUNTER.dueMessages]).toBe(due);
        expect(counters[COUNTER.sentMessages]).toBe(taken.reduce((sum, bytes) => sum + Math.floor(bytes / 10), 0));

        // At the end, messages that were due but not sent count as missed, and those sent but not answered as
        // unanswered.
        Atomics.store(memory.control, CONTROL.paused, 1);
        sender.sendDue(clock.ms, CONNECTIONS);
        sender.finish(0);
        expect(counters[COUNTER.missedMessages]).toBe(due - counters[COUNTER.sentMessages]!);
        expect(counters[COUNTER.unansweredMessages]).toBe(
          counters[COUNTER.sentMessages]! - counters[COUNTER.answeredMessages]!,
        );
        expect(counters[COUNTER.answeredMessages]).toBe(expected.length);
        expect(latenciesUs).toHaveLength(due);
        expect([counters[COUNTER.unsolicitedBytes], counters[COUNTER.wrongBytes]]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  it("are not started any more at the end, but one already started is completed", () => {
    const { room, taken, sender, memory } = setUp(1);
    room[0] = 4;
    sender.sendDue(clock.ms, 1);
    clock.ms += 2 * INTERVAL_MS;
    sender.sendDue(clock.ms, 1);
    Atomics.store(memory.control, CONTROL.paused, 1);
    sender.sendDue(clock.ms, 1);
    expect(memory.counters[COUNTER.isPaused]).toBe(1);
    room[0] = 1000;
    sender.resume(0);
    expect(taken[0]).toBe(10);
    sender.finish(0);
    expect(memory.counters[COUNTER.missedMessages]).toBe(2);
  });

  it("due just before the end are sent, not missed", () => {
    const { sender, memory } = setUp();
    sender.sendDue(clock.ms, CONNECTIONS);
    // While the thread had no CPU, three messages became due and the run ended.
    clock.ms += INTERVAL_MS;
    Atomics.store(memory.control, CONTROL.paused, 1);
    sender.sendDue(clock.ms, CONNECTIONS);
    sender.finish(0);
    const { counters } = memory;
    expect([counters[COUNTER.dueMessages], counters[COUNTER.sentMessages]]).toEqual([4, 4]);
    expect([counters[COUNTER.missedMessages], counters[COUNTER.lateMessages]]).toEqual([0, 2]);
  });

  it("beyond what can be sent count as missed, even those that the cursor never reached", () => {
    const slots = 2000;
    const { sender, memory } = setUp(slots);
    sender.sendDue(clock.ms, slots);
    for (let n = 0; n < 5; n++) {
      clock.ms += 2 * INTERVAL_MS;
      sender.sendDue(clock.ms, slots);
    }
    Atomics.store(memory.control, CONTROL.paused, 1);
    sender.sendDue(clock.ms, slots);
    // Due messages are still sent for a moment.
    clock.ms += INTERVAL_MS + 1;
    sender.sendDue(clock.ms, slots);
    sender.finish(0);
    const { counters } = memory;
    expect(counters[COUNTER.isPaused]).toBe(1);
    expect(counters[COUNTER.dueMessages]).toBe(10 * slots + 1);
    expect(counters[COUNTER.sentMessages]).toBeLessThan(2 * slots + 1);
    expect(counters[COUNTER.missedMessages]).toBe(counters[COUNTER.dueMessages]! - counters[COUNTER.sentMessages]!);
  });

  it("are each counted once, whatever pauses a busy thread makes", () => {
    const { sender, memory } = setUp();
    for (let n = 0; n < 36; n++) {
      clock.ms += 200;
      sender.sendDue(clock.ms, CONNECTIONS);
    }
    Atomics.store(memory.control, CONTROL.paused, 1);
    sender.sendDue(clock.ms, CONNECTIONS);
    const { counters } = memory;
    expect(counters[COUNTER.isPaused]).toBe(1);
    expect(counters[COUNTER.dueMessages]).toBe(72 * 3 + 1);
  });

  it("younger than all answers took count as in flight, not unanswered", () => {
    const { sender, memory, latenciesUs } = setUp(1);
    for (let n = 0; n < 5; n++) {
      sender.sendDue(clock.ms, 1);
      clock.ms += INTERVAL_MS;
    }
    sender.finish(250);
    const { counters } = memory;
    expect([counters[COUNTER.unansweredMessages], counters[COUNTER.inFlightMessages]]).toEqual([3, 2]);
    // Only late messages count in the percentiles.
    expect(latenciesUs).toHaveLength(3);
    expect(counters[COUNTER.youngestUnansweredUs]).toBe(300_000);
  });

  it("on an ended connection are unanswered if the peer ended it, and in flight if this side did", () => {
    for (const isOurs of [false, true]) {
      const { room, sender, memory } = setUp(1);
      sender.sendDue(clock.ms, 1);
      room[0] = 0;
      clock.ms += INTERVAL_MS;
      sender.sendDue(clock.ms, 1);
      sender.end(0, isOurs);
      const { counters } = memory;
      const { unansweredMessages, inFlightMessages, missedMessages, dueMessages } = COUNTER;
      const counted = [unansweredMessages, inFlightMessages, missedMessages, dueMessages].map((at) => counters[at]);
      expect(counted).toEqual(isOurs ? [0, 1, 0, 1] : [1, 0, 1, 2]);
    }
  });
});

describe("the sender's state per connection", () => {
  it("is in typed arrays: 26 bytes each", () => {
    const slots = 5_000_000;
    collectGarbage();
    const before = process.memoryUsage();
    const { exchange } = setUp(1);
    for (let slot = 0; slot < slots; slot++) exchange.opened(slot);
    // Frees the arrays that it has outgrown.
    collectGarbage();
    const after = process.memoryUsage();
    // The arrays double when they grow.
    expect((after.arrayBuffers - before.arrayBuffers) / slots).toBeLessThan(2 * 27);
    expect((after.heapUsed - before.heapUsed) / slots).toBeLessThan(4);
  });
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

it("a connection that closes once its bytes are sent completes its message and begins no other", () => {
  const { room, taken, exchange, sender, memory } = setUp();
  room[0] = 4;
  sender.sendDue(clock.ms, CONNECTIONS);
  expect(taken[0]).toBe(4);
  exchange.close(0);
  for (let n = 0; n < 3; n++) {
    clock.ms += INTERVAL_MS;
    sender.sendDue(clock.ms, 1);
  }
  const before = memory.counters[COUNTER.sentMessages]!;
  room[0] = Number.POSITIVE_INFINITY;
  sender.resume(0);
  expect(taken[0]).toBe(MESSAGE.length);
  expect(memory.counters[COUNTER.sentMessages]).toBe(before + 1);
});
