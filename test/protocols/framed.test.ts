// Tests a protocol with a handshake, frames, refusals and a closing message: against the contract, and on the hosts of
// both roles with all data between them split and delayed.

import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Exchange as ClientExchange } from "../../src/client/exchange/exchange.js";
import { CLIENT_METRICS, COUNTER } from "../../src/client/metrics.js";
import { type ConnectPlan, SHARED } from "../../src/client/worker-plan.js";
import { WorkerMemory } from "../../src/engine/worker-memory.js";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { Exchange as ServerExchange } from "../../src/server/exchange/exchange.js";
import { SERVER_METRICS } from "../../src/server/metrics.js";
import { SHARED as SERVER_SHARED, type ServePlan } from "../../src/server/worker-plan.js";
import type { ServerTransport } from "../../src/transport/contract.js";
import { SLOT } from "../../src/transport/slot-state.js";
import { STEP } from "../../src/util/steps.js";
import { FRAMES, FramedClient, FramedServer, REFUSAL_CODE, TOO_EARLY } from "../support/framed-protocol.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { describeProtocol, encode } from "./contract.js";

describeProtocol("a server of frames", {
  create: (connections, slots) => new FramedServer(connections, slots),
  handshake: FRAMES.hello,
  stream: FRAMES.message,
});
describeProtocol("a client of frames", {
  create: (connections, slots) => new FramedClient(connections, slots),
  handshake: FRAMES.hello,
  stream: FRAMES.message,
});

it("is refused with the protocol's own code, and receives no more bytes", () => {
  const host = new ProtocolHost();
  const client = new FramedClient(host, 1);
  host.constants = client.constants;
  host.opened(0);
  client.opened(0);
  const bytes = encode(FRAMES.refusal + FRAMES.hello);
  client.received(0, bytes, 0, bytes.length);
  expect(host.said[0]).toMatchObject({ sent: FRAMES.hello, refusedWith: REFUSAL_CODE, isReady: false });
});

const SLOTS = 2;
const INTERVAL_MS = 100;

const clock = { ms: 0 };
beforeEach(() => {
  clock.ms = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => clock.ms);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Connects a client's and a server's host; each call passes as many bytes as `takes` returns. */
function setUp(takes: () => number) {
  const toServer = new Array<string>(SLOTS).fill("");
  const toClient = new Array<string>(SLOTS).fill("");
  const isOpen = new Array<boolean>(SLOTS).fill(true);
  const ready = new Set<number>();
  const send = (queues: string[]) => (slot: number, buffer: NativeBuffer, offset: number, length: number) => {
    const count = Math.min(length, takes());
    queues[slot] += buffer.bytes.toString("latin1", offset, offset + count);
    return count;
  };
  const memory = new WorkerMemory(CLIENT_METRICS.layout);
  const message = { bytes: encode("unused"), intervalMs: INTERVAL_MS, expected: "any" };
  const shared = new SharedArrayBuffer(SHARED.words * 4);
  const plan = { message, share: SLOTS, reset: false, shared } as unknown as ConnectPlan;
  const close = (slot: number) => {
    isOpen[slot] = false;
    client.ended(slot, true);
  };
  const refusals: number[] = [];
  const owner = {
    ready: (slot: number) => void ready.add(slot),
    close,
    refused: (slot: number, code: number) => {
      refusals.push(code);
      close(slot);
    },
    shown: () => undefined,
    isOpen: (slot: number) => isOpen[slot]!,
  };
  const client = new ClientExchange(
    { send: send(toServer), state: (slot) => (isOpen[slot] ? SLOT.resting : SLOT.free) },
    plan,
    memory,
    SLOTS,
    owner,
    (connections, { slots }) => new FramedClient(connections, slots),
  );
  const serverPlan = {
    handshakeTimeoutMs: 10_000,
    shared: new SharedArrayBuffer(SERVER_SHARED.words * 4),
  } as unknown as ServePlan;
  const ended = new Set<number>();
  const worker = { plan: serverPlan, memory: new WorkerMemory(SERVER_METRICS.layout) };
  const server = new ServerExchange(
    worker,
    (slot) => {
      ended.add(slot);
      server.forget(slot);
    },
    (connections) => new FramedServer(connections, SLOTS),
  );
  const transport = {
    end: SLOTS,
    peeks: false,
    state: (slot: number) => (ended.has(slot) ? SLOT.free : SLOT.resting),
    rest: () => undefined,
    send: send(toClient),
  } as unknown as ServerTransport;
  server.begin(transport);
  /** Delivers all data to the other side in pieces of `size` until none is left. */
  const pump = (size: number) => {
    for (let moved = true; moved; ) {
      moved = false;
      for (let slot = 0; slot < SLOTS; slot++) {
        const [toIt, toUs] = [toServer[slot]!.slice(0, size), toClient[slot]!.slice(0, size)];
        toServer[slot] = toServer[slot]!.slice(size);
        toClient[slot] = toClient[slot]!.slice(size);
        const before = toServer[slot]!.length + toClient[slot]!.length;
        if (toIt && !ended.has(slot))
          server.receive(slot, NativeBuffer.from(Buffer.from(toIt, "latin1")), 0, toIt.length);
        if (toUs && isOpen[slot]) client.received(slot, Buffer.from(toUs, "latin1"), 0, toUs.length);
        if (isOpen[slot]) client.sent(slot);
        if (!ended.has(slot)) server.resume(slot);
        if (toIt || toUs || toServer[slot]!.length + toClient[slot]!.length > before) moved = true;
      }
    }
  };
  return { client, server, memory, worker, ready, refusals, ended, isOpen, toServer, pump };
}

it("works through both hosts, complete and once, however the data between them is split and delayed", () => {
  fc.assert(
    fc.property(
      fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 20 }),
      (sizes, piece, messages) => {
        const { client, server, memory, ready, ended, isOpen, toServer, pump } = setUp(() => sizes.next().value);
        for (let slot = 0; slot < SLOTS; slot++) {
          client.opened(slot);
          server.open(slot);
        }
        expect(ready.size).toBe(0);
        pump(piece);
        expect([...ready].sort()).toEqual([0, 1]);
        for (let n = 0; n < messages; n++) {
          client.messages!.sendDue(clock.ms, SLOTS, (slot) => isOpen[slot]!);
          if (n % 2 === 0) pump(piece);
          clock.ms += INTERVAL_MS / SLOTS;
        }
        pump(piece);
        const { counters } = memory;
        expect(counters[COUNTER.dueMessages]).toBe(messages);
        expect(counters[COUNTER.sentMessages]).toBe(messages);
        expect(counters[COUNTER.answeredMessages]).toBe(messages);
        expect([counters[COUNTER.unsolicitedBytes], counters[COUNTER.wrongBytes]]).toEqual([0, 0]);
        // The closing message ends the server's side, after everything sent before it.
        client.closing(0);
        pump(piece);
        expect([...ended]).toEqual([0]);
        expect(toServer).toEqual(["", ""]);
      },
    ),
    { numRuns: 50 },
  );
});

it("a refusal ends the connection as a protocol failure, on either side", () => {
  const { client, server, refusals, worker, ended, isOpen } = setUp(() => 100);
  client.opened(0);
  server.open(0);
  const refusal = encode(FRAMES.refusal);
  client.received(0, refusal, 0, refusal.length);
  expect([isOpen[0], refusals]).toEqual([false, [REFUSAL_CODE]]);
  server.receive(0, NativeBuffer.from(encode(FRAMES.message)), 0, FRAMES.message.length);
  expect([ended.has(0), worker.memory.refusals()]).toEqual([
    true,
    [{ phase: STEP.upgrade, code: TOO_EARLY, count: 1 }],
  ]);
});
