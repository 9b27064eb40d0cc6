// Tests TCP in user space against itself over a network that loses, repeats and reorders packets, and with garbage.
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { PacketClient } from "../../../src/transport/packet/client.js";
import { PacketServer } from "../../../src/transport/packet/server.js";
import { TCP } from "../../../src/transport/packet/tcp/connections.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { parseIp } from "../../../src/util/address.js";
import { MemoryDevice, seededRandom } from "../../support/packets.js";
import { BUDGET, bytesOf, Recorder, TupleList } from "../../support/transport.js";

const SERVER = "10.99.0.1";
const FIRST = "10.64.0.1";
const FUZZED = Number(process.env.FOURTUPLE_FUZZ_PACKETS ?? 50_000);

interface Network {
  readonly seed: number;
  readonly loss: number;
  readonly repeats: number;
  readonly reorders: number;
}

function pair(count: number, network: Network, portCount = 8, endsGreeted?: "close" | "reset") {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const random = seededRandom(network.seed);
  const [clientDevice, serverDevice] = [new MemoryDevice(), new MemoryDevice()];
  const [clientTold, serverTold] = [new Recorder(), new Recorder()];
  const destinations = [{ ip: parseIp(SERVER), port: 80 }];
  const tuples = new TupleList(
    Array.from({ length: count }, () => ({ from: FIRST, port: 0, to: { ip: SERVER, port: 80 } })),
  );
  const plan = { sources: [{ first: parseIp(FIRST), count: 1000 }], firstPort: 1024, portCount, destinations };
  const budget = { ...BUDGET, accepts: 64, resumed: 64 };
  const client = new PacketClient({
    ...{ tuples, handler: clientTold, budget, slots: 16, endsGreeted },
    ...{ device: clientDevice, plan },
  });
  const server = new PacketServer({
    ...{ handler: serverTold, budget, slots: 4, backlog: 1024 },
    ...{ device: serverDevice, listener: { addresses: { first: parseIp(SERVER), count: 1 }, port: 80 } },
  });
  const carry = (from: MemoryDevice, to: MemoryDevice) => {
    for (const packet of from.sent.splice(0)) {
      if (random() < network.loss) continue;
      to.arriving.push(packet);
      if (random() < network.repeats) to.arriving.push(packet);
      if (random() < network.reorders && to.arriving.length > 1) {
        const other = Math.floor(random() * to.arriving.length);
        to.arriving.splice(other, 0, to.arriving.pop()!);
      }
    }
  };
  /** Runs both sides, 10 ms at a time, until the condition holds. */
  const run = (what: string, holds: () => boolean, mostMs = 600_000) => {
    for (let ms = 0; ms < mostMs && !holds(); ms += 10) {
      vi.advanceTimersByTime(10);
      client.turn(0);
      carry(clientDevice, serverDevice);
      server.turn(0);
      carry(serverDevice, clientDevice);
    }
    if (!holds())
      throw new Error(`still waiting for ${what}: ${clientTold.events.slice(-4)}; ${serverTold.events.slice(-4)}`);
  };
  return { client, server, clientTold, serverTold, clientDevice, serverDevice, run, random };
}

const PERFECT: Network = { seed: 1, loss: 0, repeats: 0, reorders: 0 };

it("waits for several packets while many connections expect answers and some come, otherwise for one", () => {
  const { client, clientDevice, serverDevice, server } = pair(192, PERFECT, 192);
  for (let n = 0; n < 192; n++) client.open();
  client.turn(1000);
  expect(clientDevice.lastWait.least).toBe(1);
  expect(clientDevice.lastWait.waitMs).toBeGreaterThan(100);
  // The peer answers a third of them.
  serverDevice.arriving.push(...clientDevice.sent.splice(0, 64));
  server.turn(0);
  clientDevice.arriving.push(...serverDevice.sent.splice(0));
  client.turn(0);
  client.turn(1000);
  expect(clientDevice.lastWait).toEqual({ least: 2, waitMs: 0.5 });
  // Nothing has arrived since.
  client.turn(1000);
  expect(clientDevice.lastWait.least).toBe(1);
  expect(clientDevice.lastWait.waitMs).toBeGreaterThan(100);
});

describe.each([1, 2])("over a network that loses, repeats and reorders, seed %i", (seed) => {
  it("opens every connection, brings every byte there and back, and closes", () => {
    const count = 300;
    const bad = pair(count, { seed, loss: 0.05, repeats: 0.03, reorders: 0.1 });
    const { client, server, clientTold, serverTold, run } = bad;
    const texts = Array.from(
      { length: count },
      (_, n) => `${n}: ${"abcdefg".repeat(1 + ((n * 37) % (n % 10 === 0 ? 900 : 30)))}`,
    );
    const messages = texts.map((text) => bytesOf(text));
    const progress = new Map<number, number>();
    const sendMore = (slot: number) => {
      const at = progress.get(slot) ?? 0;
      const sent = client.send(slot, messages[slot]!, at, messages[slot]!.bytes.length - at);
      progress.set(slot, at + sent);
    };
    clientTold.onOpened = clientTold.onSent = sendMore;
    // The server echoes. Data that it cannot send yet waits in the test.
    const waiting = new Map<number, string>();
    const echo = (slot: number) => {
      const text = waiting.get(slot) ?? "";
      waiting.set(slot, text.slice(server.send(slot, bytesOf(text), 0, text.length)));
    };
    serverTold.onReceived = (slot, bytes, offset, length) => {
      waiting.set(slot, (waiting.get(slot) ?? "") + bytes.bytes.toString("latin1", offset, offset + length));
      echo(slot);
      return length;
    };
    serverTold.onSent = echo;
    for (let n = 0; n < count; n++) client.open();
    const isBack = (n: number) => clientTold.text(n).length === texts[n]!.length;
    run("all echoes", () => texts.every((_, n) => isBack(n)));
    for (let n = 0; n < count; n++) expect(clientTold.text(n) === texts[n]).toBe(true);
    expect([clientTold.count("opened"), clientTold.count("failed"), clientTold.count("closed")]).toEqual([count, 0, 0]);
    expect([serverTold.count("accepted"), serverTold.count("failed")]).toEqual([count, 0]);
    expect(client.stack.counters.retransmitted + server.stack.counters.retransmitted).toBeGreaterThan(0);
    // Each side closes half of the connections.
    for (let n = 0; n < count; n++) if (n % 2 === 0) client.close(n);
    run("the server's ends", () => serverTold.count("closed") === count / 2);
    for (let slot = 0; slot < server.end; slot++) if (server.state(slot) !== SLOT.free) server.close(slot);
    run("the client's ends", () => clientTold.count("closed") === count / 2);
    run("the last minute", () => areGone(bad));
    expect([client.stack.records.used, server.stack.records.used]).toEqual([0, 0]);
  });
});

/** Returns whether nothing is left of any connection. */
function areGone({ client, server }: Pick<ReturnType<typeof pair>, "client" | "server">): boolean {
  return [client, server].every(({ stack: { connections } }) =>
    connections.flags.every((flags) => flags === TCP.closed),
  );
}

it("reuses slots and 4-tuples for ever, without leftovers", () => {
  const { client, server, clientTold, serverTold, run } = pair(5000, PERFECT, 64, "close");
  (client as unknown as { tuples: { take: unknown } }).tuples.take = (() => {
    let next = 0;
    return () => next++ % 40;
  })();
  serverTold.onAccepted = (slot) => server.send(slot, bytesOf("hello"), 0, 5);
  let opened = 0;
  run("2000 connections", () => {
    for (; opened < 2000 && opened - clientTold.count("received") < 10; opened++) client.open();
    return clientTold.count("received") === 2000;
  });
  expect(client.end).toBeLessThan(30);
  run("the server's ends", () => serverTold.count("closed") === 2000);
  run("the last minute", () => areGone({ client, server }), 100_000);
});

it(`survives ${FUZZED} wrong packets without a crash, and without leftovers`, () => {
  if (!process.env.FOURTUPLE_FUZZ_PACKETS) console.info("set FOURTUPLE_FUZZ_PACKETS=1000000 for a longer run");
  const { client, server, clientTold, clientDevice, serverDevice, run, random } = pair(200, PERFECT, 8);
  for (let n = 0; n < 40; n++) client.open();
  run("connections", () => clientTold.count("opened") === 40);
  const seen: Buffer[] = [];
  const hello = bytesOf("hello, world");
  for (let n = 0; n < FUZZED; n++) {
    if (n % 50 === 0) {
      const slot = Math.floor(random() * client.end);
      if (client.state(slot) === SLOT.opened) client.send(slot, hello, 0, 12);
      else if (client.state(slot) === SLOT.free && clientTold.count("opened") < 150) client.open();
      vi.advanceTimersByTime(10);
      client.turn(0);
      server.turn(0);
      for (const device of [clientDevice, serverDevice]) {
        seen.push(...device.sent.splice(0));
        seen.splice(0, seen.length - 200);
        device.arriving.length = Math.min(device.arriving.length, 100);
      }
      clientTold.events.splice(0, Math.max(0, clientTold.events.length - 200));
    }
    const packet = Buffer.from(seen[Math.floor(random() * seen.length)] ?? Buffer.alloc(60));
    // Change a few bytes, and sometimes the length.
    for (let changes = Math.floor(random() * 4); changes > 0; changes--) {
      packet[Math.floor(random() * packet.length)] = Math.floor(random() * 256);
    }
    const cut = random() < 0.2 ? packet.subarray(0, Math.floor(random() * packet.length)) : packet;
    const stack = random() < 0.5 ? client.stack : server.stack;
    const device = stack === client.stack ? clientDevice : serverDevice;
    device.sink(cut, stack, random() < 0.9);
  }
  for (let slot = 0; slot < client.end; slot++) if (client.state(slot) !== SLOT.free) client.reset(slot);
  for (let slot = 0; slot < server.end; slot++) if (server.state(slot) !== SLOT.free) server.reset(slot);
  clientDevice.arriving.length = serverDevice.arriving.length = 0;
  // Orphans give up after eight retransmissions.
  run("the last timers", () => areGone({ client, server }), 10_000_000);
  expect([client.stack.records.used, server.stack.records.used]).toEqual([0, 0]);
  expect([client.stack.connections.orphans, client.stack.timeWaits]).toEqual([0, 0]);
});
