// Tests, with a fake clock and a fake kernel, that unanswered messages due over the same connection in one turn are
// sent together.
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Exchange } from "../../../src/client/exchange/exchange.js";
import { CLIENT_METRICS, COUNTER } from "../../../src/client/metrics.js";
import { type ConnectPlan, SHARED } from "../../../src/client/worker-plan.js";
import { CONTROL, WorkerMemory } from "../../../src/engine/worker-memory.js";
import { FAULT } from "../../../src/protocols/codes.js";
import type { ClientConnections, ClientProtocol } from "../../../src/protocols/contract.js";
import { DiscardClient } from "../../../src/protocols/discard.js";
import { NO_OPENING } from "../../../src/protocols/timed-message.js";
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

/** Sends each message as a copy, as MQTT does. */
class CopyingClient extends DiscardClient {
  override due(slot: number): void {
    const bytes = this.constants[0]!;
    this.connections.send(slot, bytes, 0, bytes.length);
  }
}

type Create = (connections: ClientConnections) => ClientProtocol;
const bytes = new TextEncoder().encode(MESSAGE);
const asConstants: Create = (host) => new DiscardClient(host, bytes, CONNECTIONS, NO_OPENING);
const asCopies: Create = (host) => new CopyingClient(host, bytes, CONNECTIONS, NO_OPENING);

function setUp(create: Create, refused: (slot: number, code: number) => void = () => undefined) {
  clock.ms = 1000;
  const room = new Array<number>(CONNECTIONS).fill(Number.POSITIVE_INFINITY);
  const taken = new Array<string>(CONNECTIONS).fill("");
  const calls: { slot: number; length: number }[] = [];
  const transport = {
    state: () => SLOT.resting,
    send(slot: number, source: { bytes: Buffer }, offset: number, length: number): number {
      const count = Math.min(length, room[slot]!);
      calls.push({ slot, length });
      taken[slot] += source.bytes.toString("latin1", offset, offset + count);
      room[slot]! -= count;
      return count;
    },
  };
  const memory = new WorkerMemory(CLIENT_METRICS.layout);
  const shared = new Int32Array(new SharedArrayBuffer(SHARED.words * 4));
  const plan = {
    message: { bytes, intervalMs: INTERVAL_MS, expected: "none" },
    share: CONNECTIONS,
    reset: true,
    shared: shared.buffer,
  } as unknown as ConnectPlan;
  const nothing = () => undefined;
  const owner = { ready: nothing, close: nothing, refused, shown: nothing, isOpen: () => true };
  const exchange = new Exchange(transport, plan, memory, CONNECTIONS, owner, create);
  for (let slot = 0; slot < CONNECTIONS; slot++) exchange.opened(slot);
  const sendDue = () => exchange.messages!.sendDue(clock.ms, CONNECTIONS, () => true);
  return { room, taken, calls, shared, memory, exchange, sendDue };
}

it.each([
  ["constants", asConstants],
  ["copies", asCopies],
] as const)("messages due together go out in one send per connection, as %s", (_, create) => {
  const { calls, taken, memory, sendDue } = setUp(create);
  sendDue();
  calls.length = 0;
  // Ten more messages for each connection, except that the first one has already sent one. The delay is shorter than a
  // suspension.
  for (let n = 0; n < 5; n++) {
    clock.ms += 2 * INTERVAL_MS;
    sendDue();
  }
  expect(calls).toHaveLength(5 * CONNECTIONS);
  expect(taken.map((text) => text.length)).toEqual([110, 100, 100]);
  const { counters } = memory;
  expect([counters[COUNTER.dueMessages], counters[COUNTER.sentMessages]]).toEqual([31, 31]);
  // Each message is late relative to its own due time: one of each pair by an interval, the other by less.
  expect(counters[COUNTER.longestDelayMs]).toBeCloseTo(INTERVAL_MS * (2 - 1 / 3), 5);
});

const slot = fc.nat(CONNECTIONS - 1);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 240 }) }) },
  fc.record({ kind: fc.constant("stall" as const), slot, bytes: fc.integer({ min: 0, max: 75 }) }),
  fc.record({ kind: fc.constant("read" as const), slot }),
);

it.each([
  ["constants", asConstants],
  ["copies", asCopies],
] as const)("messages due together are each counted once, however the peers stall, as %s", (_, create) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const { room, taken, memory, exchange, sendDue } = setUp(create);
      const { counters } = memory;
      const startMs = clock.ms;
      const dueBy = (slot: number) =>
        Math.max(0, Math.floor((clock.ms - startMs) / INTERVAL_MS - slot / CONNECTIONS + 1e-9) + 1);
      sendDue();
      for (const each of steps) {
        if (each.kind === "stall") room[each.slot] = each.bytes;
        else if (each.kind === "read") {
          room[each.slot] = Number.POSITIVE_INFINITY;
          exchange.sent(each.slot);
        } else {
          clock.ms += each.ms;
          sendDue();
        }
        expect(taken).toEqual(taken.map((text) => MESSAGE.repeat(Math.ceil(text.length / 10)).slice(0, text.length)));
        const whole = taken.reduce((sum, text) => sum + Math.floor(text.length / 10), 0);
        // Bytes sent later count once the last one has been sent.
        expect(counters[COUNTER.sentMessages]).toBeLessThanOrEqual(whole);
      }
      const due = [0, 1, 2].reduce((sum, slot) => sum + dueBy(slot), 0);
      expect(counters[COUNTER.dueMessages]).toBe(due);
      Atomics.store(memory.control, CONTROL.paused, 1);
      sendDue();
      expect(counters[COUNTER.dueMessages]).toBe(due);
      exchange.finish(0, CONNECTIONS, () => true);
      expect(counters[COUNTER.missedMessages]).toBe(due - counters[COUNTER.sentMessages]!);
    }),
    { numRuns: 150 },
  );
});

it("messages are sent one by one when no memory is left for unread data", () => {
  const { calls, shared, sendDue } = setUp(asCopies);
  sendDue();
  calls.length = 0;
  shared[SHARED.unsentBlocks] = 1024;
  clock.ms += 2 * INTERVAL_MS;
  sendDue();
  expect(calls.map(({ length }) => length)).toEqual(Array(2 * CONNECTIONS).fill(MESSAGE.length));
});

it("what was gathered for a connection is discarded if the protocol ends it meanwhile", () => {
  const ended: number[] = [];
  let leaves = false;
  class LeavingClient extends CopyingClient {
    override due(slot: number): void {
      super.due(slot);
      if (!leaves) return;
      ended.push(slot);
      (this.connections as Exchange).ended(slot, true);
    }
  }
  const { calls, exchange, sendDue } = setUp((host) => new LeavingClient(host, bytes, CONNECTIONS, NO_OPENING));
  sendDue();
  calls.length = 0;
  leaves = true;
  clock.ms += 2 * INTERVAL_MS;
  exchange.messages!.sendDue(clock.ms, CONNECTIONS, (slot) => !ended.includes(slot));
  expect({ calls, ended: ended.toSorted() }).toEqual({ calls: [], ended: [0, 1, 2] });
});

it("a connection ends if other threads take the memory for its gathered messages meanwhile", () => {
  const refusals: [slot: number, code: number][] = [];
  let blocks = 0;
  class CrowdedClient extends CopyingClient {
    override due(slot: number): void {
      super.due(slot);
      set.shared[SHARED.unsentBlocks] = blocks;
    }
  }
  const set = setUp(
    (host) => new CrowdedClient(host, bytes, CONNECTIONS, NO_OPENING),
    (slot, code) => {
      refusals.push([slot, code]);
      set.exchange.ended(slot, true);
    },
  );
  set.sendDue();
  set.calls.length = 0;
  set.room[1] = 0;
  blocks = 2048;
  clock.ms += 2 * INTERVAL_MS;
  set.exchange.messages!.sendDue(clock.ms, CONNECTIONS, (slot) => !refusals.some(([ended]) => ended === slot));
  expect(set.calls[0]).toEqual({ slot: 1, length: 2 * MESSAGE.length });
  expect(refusals).toEqual([[1, FAULT.BUFFERS_FULL]]);
});
