// Tests the lists of free and waiting slots, each against a plain array as the model.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LossStats } from "../../src/client/evidence/loss-stats.js";

import { Rounds } from "../../src/client/messages/rounds.js";
import { FirstReads } from "../../src/engine/first-reads.js";
import { PendingHandshakes } from "../../src/engine/pending-handshakes.js";
import { Outgoing } from "../../src/engine/sending/outgoing.js";
import { PendingCloses } from "../../src/engine/sending/pending-closes.js";
import { Unsent } from "../../src/engine/sending/unsent.js";
import { SLOT_BYTES } from "../../src/engine/slot-bytes.js";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { DelimitedEnd, SizedEnd } from "../../src/protocols/answer-end.js";
import { EchoClient } from "../../src/protocols/echo.js";
import { HttpClient } from "../../src/protocols/http/client.js";
import { HttpServer } from "../../src/protocols/http/server.js";
import { MqttClient } from "../../src/protocols/mqtt/client.js";
import { MqttServer } from "../../src/protocols/mqtt/server.js";
import { WebSocketClient } from "../../src/protocols/websocket/client.js";
import { WebSocketServer } from "../../src/protocols/websocket/server.js";
import { Deadlines } from "../../src/transport/deadlines.js";
import { ConnectionTable } from "../../src/transport/kernel-epoll/connection-table.js";
import { FreeSlots } from "../../src/transport/kernel-epoll/free-slots.js";
import { Openings } from "../../src/transport/kernel-uring/openings.js";
import { Slots } from "../../src/transport/kernel-uring/slots.js";
import { ProxiedServer } from "../../src/transport/proxied-server.js";
import { SlotQueue } from "../../src/transport/slot-queue.js";
import { SPEC as HTTP_SPEC } from "../support/http.js";
import { SPEC as MQTT_SPEC } from "../support/mqtt.js";
import { startProgram } from "../support/process.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { SPEC } from "../support/websocket.js";

it("allocates every free slot once, and none that was freed since the last recycle", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("take", "give", "recycle")), (steps) => {
      const slots = new FreeSlots();
      const [held, free, freed] = [new Set<number>(), new Set<number>(), new Set<number>()];
      let next = 0;
      for (const step of steps) {
        if (step === "take") {
          const slot = slots.take();
          expect(slot >= 0).toBe(free.size > 0);
          if (slot >= 0) expect(free.delete(slot)).toBe(true);
          held.add(slot >= 0 ? slot : next++);
        } else if (step === "give") {
          const [slot] = held;
          if (slot === undefined) continue;
          held.delete(slot);
          freed.add(slot);
          slots.give(slot);
        } else {
          slots.recycle();
          for (const slot of freed) free.add(slot);
          freed.clear();
        }
      }
    }),
  );
});

it("queues slots in order, each once", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(500), fc.constant("shift" as const)), { maxLength: 400 }), (steps) => {
      const queue = new SlotQueue();
      const model: number[] = [];
      for (const step of steps) {
        if (step !== "shift") {
          queue.push(step);
          if (!model.includes(step)) model.push(step);
        } else if (model.length > 0) expect(queue.shift()).toBe(model.shift());
        expect(queue.length).toBe(model.length);
        for (const slot of [0, 250, 500]) expect(queue.has(slot)).toBe(model.includes(slot));
      }
    }),
  );
});

it("expires handshakes in order and on time, whichever slots are reused meanwhile", () => {
  const TIMEOUT_MS = 100;
  const slot = fc.nat(1500);
  const begin = fc.record({ begin: slot });
  fc.assert(
    fc.property(fc.array(fc.oneof(begin, fc.record({ end: slot }), fc.record({ passMs: fc.nat(60) }))), (steps) => {
      const expired: number[] = [];
      const deadlines = new Deadlines((late) => expired.push(late), TIMEOUT_MS);
      // A Map keeps the order of insertion.
      const model = new Map<number, number>();
      let nowMs = 0;
      for (const step of steps) {
        if ("begin" in step) {
          deadlines.begin(step.begin, nowMs);
          model.delete(step.begin);
          model.set(step.begin, nowMs + TIMEOUT_MS);
        } else if ("end" in step) {
          deadlines.end(step.end);
          model.delete(step.end);
        } else {
          nowMs += step.passMs;
          deadlines.endLate(nowMs);
          const late = [...model].filter(([, dueMs]) => dueMs <= nowMs).map(([key]) => key);
          for (const key of late) model.delete(key);
          expect(expired.splice(0)).toEqual(late);
        }
        const [nextMs = Number.POSITIVE_INFINITY] = model.values();
        expect(deadlines.waitMs(nowMs)).toBe(nextMs - nowMs);
      }
    }),
  );
});

it("expires the slots behind one that was reused", () => {
  const expired: number[] = [];
  const deadlines = new Deadlines((slot) => expired.push(slot), 1000);
  deadlines.begin(0, 0);
  deadlines.begin(1, 100);
  deadlines.end(0);
  deadlines.begin(0, 700);
  expect(deadlines.waitMs(700)).toBe(400);
  deadlines.endLate(1100);
  expect(expired).toEqual([1]);
  deadlines.endLate(1700);
  expect(expired).toEqual([1, 0]);
});

it("holds five million in a worker's heap, opened and closed at once and in batches", async () => {
  const program = startProgram("slots", { slots: 5_000_000 });
  expect(await program.exited(120_000)).toMatchObject({ code: 0, stdout: "done 5000000\n" });
}, 130_000);

describe("the bytes per slot", () => {
  const SLOTS = 2 ** 20;
  const options = { slots: 1, parkable: 1, stateMask: 3, tableSize: 1024, parks: false, resetsParked: false };

  /**
   * Returns the bytes per slot of an object's typed arrays; those that do not grow with the number of slots are
   * negligible.
   */
  const bytesOf = (holder: object) =>
    Object.fromEntries(
      Object.entries(holder)
        .filter(([, value]) => ArrayBuffer.isView(value) && value.byteLength >= SLOTS)
        .map(([name, value]) => [name, (value as Int32Array).byteLength / SLOTS]),
    );

  it("are as listed: connection table", () => {
    const table = new ConnectionTable(options);
    for (let slot = 0; slot < SLOTS; slot++) table.add(2 ** 30, 1);
    expect(bytesOf(table)).toEqual(SLOT_BYTES.ConnectionTable);
  });

  it("are as listed: free slots and queued slots", () => {
    const [free, queue] = [new FreeSlots(), new SlotQueue()];
    for (let slot = 0; slot < SLOTS; slot++) {
      free.give(slot);
      queue.push(slot);
    }
    expect(bytesOf(free)).toEqual(SLOT_BYTES.FreeSlots);
    expect(bytesOf(queue)).toEqual(SLOT_BYTES.SlotQueue);
  });

  it("are as listed: handshakes of accepted connections", () => {
    const deadlines = new Deadlines(() => undefined, 1);
    deadlines.begin(SLOTS - 1, 0);
    expect(bytesOf(deadlines)).toEqual(SLOT_BYTES.Deadlines);
    const events = { arrived: () => true, identified: () => undefined, unidentified: () => undefined };
    const server = new ProxiedServer({} as never, { events, timeoutMs: 1 });
    server.begin({ rest: () => undefined } as never);
    server.accepted(SLOTS - 1);
    expect(bytesOf(server)).toEqual(SLOT_BYTES.ProxiedServer);
  });

  it("are as listed: first reads", () => {
    const reads = new FirstReads();
    reads.take(8 * SLOTS - 1);
    expect(bytesOf(reads)).toEqual({ bits: 8 * SLOT_BYTES.FirstReads.bits });
  });

  it("are as listed: slots in rings", () => {
    const slots = new Slots(1, true);
    for (let slot = 0; slot < SLOTS; slot++) slots.take(SLOTS);
    for (let slot = 0; slot < SLOTS; slot++) slots.free(slot, 0);
    expect(bytesOf(slots)).toEqual(SLOT_BYTES.Slots);
    const tuples = { kernelPicksPort: true, mayMeetItself: false, isUnbound: true, take: () => -1 } as never;
    const openings = new Openings(tuples, slots, undefined as never, SLOTS);
    openings.passOver(SLOTS - 1);
    expect(bytesOf(openings)).toEqual(SLOT_BYTES.Openings);
  });

  it("are as listed: ages, and positions of unsent bytes", () => {
    const ages = new LossStats(new Float64Array(64), SLOTS);
    expect(bytesOf(ages)).toEqual(SLOT_BYTES.LossStats);
    const unsent = new Unsent(new Int32Array(8), 0);
    unsent.keep(SLOTS - 1, NativeBuffer.from(Uint8Array.of(1)), 0, 1);
    expect(bytesOf(unsent)).toEqual(SLOT_BYTES.Unsent);
    const closes = new PendingCloses();
    closes.begin(SLOTS - 1);
    expect(bytesOf(closes)).toEqual(SLOT_BYTES.PendingCloses);
    const outgoing = new Outgoing({ send: () => 0 }, [Uint8Array.of(1)], new Unsent(new Int32Array(8), 0));
    outgoing.sendConstant(SLOTS - 1, 0);
    expect(bytesOf(outgoing)).toEqual(SLOT_BYTES.Outgoing);
  });

  it("are as listed: messages", () => {
    expect(bytesOf(new Rounds(SLOTS, true))).toEqual(SLOT_BYTES.Rounds);
    const client = new EchoClient(new ProtocolHost(), Uint8Array.of(1), SLOTS);
    expect(bytesOf(client)).toEqual(SLOT_BYTES.EchoClient);
    const { marks, matched, strays } = SLOT_BYTES.EchoClient;
    expect(marks + matched + strays).toBe(client.slotBytes);
    expect(bytesOf(new DelimitedEnd(Uint8Array.of(10), SLOTS))).toEqual(SLOT_BYTES.DelimitedEnd);
    expect(bytesOf(new SizedEnd(7, SLOTS))).toEqual(SLOT_BYTES.SizedEnd);
  });

  it("are as listed: MQTT", () => {
    const options = { spec: MQTT_SPEC, slots: SLOTS, nextNumber: () => 1, publisher: 1 };
    expect(bytesOf(new MqttClient(new ProtocolHost(), options))).toEqual(SLOT_BYTES.MqttClient);
    expect(bytesOf(new MqttServer(new ProtocolHost(), MQTT_SPEC, SLOTS))).toEqual(SLOT_BYTES.MqttServer);
  });

  it("are as listed: HTTP", () => {
    expect(bytesOf(new HttpClient(new ProtocolHost(), HTTP_SPEC, SLOTS))).toEqual(SLOT_BYTES.HttpClient);
    const options = { spec: HTTP_SPEC, mode: "hello", greeting: "", closes: false, slots: SLOTS } as const;
    expect(bytesOf(new HttpServer(new ProtocolHost(), options))).toEqual(SLOT_BYTES.HttpServer);
  });

  it("are as listed: WebSocket, and pending handshakes", () => {
    const client = new WebSocketClient(new ProtocolHost(), { spec: SPEC, slots: SLOTS });
    expect(bytesOf(client)).toEqual(SLOT_BYTES.WebSocketClient);
    const options = { spec: SPEC, mode: "echo", greeting: "", closeAfterGreeting: false, slots: SLOTS } as const;
    expect(bytesOf(new WebSocketServer(new ProtocolHost(), options))).toEqual(SLOT_BYTES.WebSocketServer);
    const pending = new PendingHandshakes(0, 1000);
    pending.begin(SLOTS - 1, 0);
    expect(bytesOf(pending)).toEqual(SLOT_BYTES.PendingHandshakes);
  });
});
