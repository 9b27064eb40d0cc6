// Tests that servers that greet late, seldom or never delay neither the ramp nor the verdict.
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { Greetings } from "../../../src/client/ramp/greetings.js";
import { SHARED } from "../../../src/client/worker-plan.js";
import { explainRun } from "../../../src/diagnosis/explain.js";
import type { ConnectOptions } from "../../../src/index.js";
import { startClient, startForeignServer } from "../../support/peers.js";
import { resultOf, runCli } from "../../support/process.js";
import { until, within } from "../../support/until.js";

const WINDOW = { connections: 1000, concurrency: 50, durationMs: Number.POSITIVE_INFINITY };
// With a window of 50, waiting a second for each batch would take 20 s.
const SOON_MS = 6000;

async function rampTo(onSocket: (socket: Socket, number: number) => void, options: Partial<ConnectOptions> = {}) {
  let accepted = 0;
  const server = await startForeignServer((socket) => onSocket(socket, accepted++));
  const run = await startClient({ to: server.at, ...WINDOW, ...options });
  await within("the ramp's end", run.ready);
  // The server runs in this thread, so it accepts some time after the kernel shows ESTABLISHED.
  await until("all accepted", () => accepted === run.snapshot().established);
  return within("the end", run.stop());
}

const greet = (socket: Socket) => socket.write("hello");

describe("the window of connections in flight", () => {
  it("is not held up by a server that greets 1.2 s late", async () => {
    // The greetings arrive while the second half is opened.
    const pace = { connections: 3000, connectRatePerSec: 1250 };
    const result = await rampTo((socket) => setTimeout(() => greet(socket), 1200).unref(), pace);
    expect(result).toMatchObject({ isTargetMet: true, established: 3000 });
    expect(result.rampMs).toBeLessThan(SOON_MS);
    expect(result.rampShares!.greetings).toBeLessThan(0.1);
  });

  it("is not held up by a server that greets 300 ms late", async () => {
    const result = await rampTo((socket) => setTimeout(() => greet(socket), 300).unref());
    expect(result).toMatchObject({ isTargetMet: true, established: 1000 });
    expect(result.rampMs).toBeLessThan(SOON_MS);
  });

  it("is not held up by a server that greets the first ones and then falls silent", async () => {
    const result = await rampTo((socket, number) => number < 20 && greet(socket));
    expect(result.established).toBe(1000);
    expect(result.rampMs).toBeLessThan(SOON_MS);
    // The run waited for connections without a greeting, and reports it if the first greeting came promptly. On a busy
    // host, the server, which runs in this thread, may greet late.
    const firstMs = result.latency.firstByte.minUs / 1000;
    if (firstMs < 50 && firstMs < result.rampMs / 2) expect(result.rampShares!.greetings).toBeGreaterThan(0.1);
  });

  it("is not held up by a server that occasionally sends data to all clients", async () => {
    const sockets = new Set<Socket>();
    const timer = setInterval(() => {
      for (const socket of sockets) socket.write("news");
    }, 400).unref();
    const result = await rampTo((socket) => sockets.add(socket), { connections: 3000, connectRatePerSec: 1250 });
    clearInterval(timer);
    expect(result.established).toBe(3000);
    expect(result.rampMs).toBeLessThan(SOON_MS);
  });

  it("is reported as the limit on the ramp if it waited only for greetings", async () => {
    // Required greetings are awaited however late they are.
    const late = (socket: Socket) => setTimeout(() => greet(socket), 50).unref();
    const result = await rampTo(late, { connections: 300, closeAfterGreeting: true });
    expect(result).toMatchObject({ isTargetMet: true, greeted: 300 });
    const { window, greetings, descriptors, cpu, pace } = result.rampShares!;
    expect(greetings).toBeGreaterThan(0.3);
    expect(window + greetings + descriptors + cpu + pace).toBeCloseTo(1, 1);
  });
});

describe("--close-after-greeting", () => {
  it("misses its target if the server never greets", async () => {
    const server = await startForeignServer();
    const { code, stdout } = await runCli(
      ["connect", server.at, "-c", "30", "--close-after-greeting", "-T", "200ms", "--json"],
      {},
    );
    expect(code).toBe(1);
    expect(resultOf(stdout)).toMatchObject({
      outcome: "missed",
      isTargetMet: false,
      established: 30,
      greeted: 0,
      misses: [{ kind: "ungreeted", count: 30, of: 30 }],
    });
  });

  it("names the server that does not greet, not this host's CPU", async () => {
    const server = await startForeignServer();
    const run = await startClient({ to: server.at, connections: 30, closeAfterGreeting: true, durationMs: 200 });
    const result = await within("the end", run.done);
    expect(explainRun(result)).toMatchObject({
      outcome: "limited",
      finding: { limit: "peer-silent", whose: "peer", fix: expect.stringContaining("--close-after-greeting") },
    });
    // Waiting for greetings takes a second, opening some milliseconds.
    const { greetings, cpu } = result.rampShares!;
    expect(greetings).toBeGreaterThan(0.5);
    expect(cpu).toBeLessThan(0.3);
  });

  it("misses its target if the server greets every second connection, and says how many it greeted", async () => {
    const server = await startForeignServer(
      (
        (number) => (socket: Socket) =>
          number++ % 2 === 0 && greet(socket)
      )(0),
    );
    const run = await startClient({ to: server.at, connections: 30, closeAfterGreeting: true, durationMs: 100 });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ greeted: 15, misses: [{ kind: "ungreeted", count: 15, of: 30 }] });
  });

  it("meets its target if all are greeted, however late", async () => {
    const server = await startForeignServer((socket) => setTimeout(() => greet(socket), 300).unref());
    const run = await startClient({ to: server.at, connections: 30, closeAfterGreeting: true, durationMs: 5000 });
    expect(await within("the end", run.done)).toMatchObject({ greeted: 30, isTargetMet: true, misses: [] });
  });
});

describe("a server at its connection limit that sends a message before it closes", () => {
  it("has not greeted these connections, and the others miss no greeting", async () => {
    let taken = 0;
    const server = await startForeignServer((socket) => {
      taken += 1;
      if (taken > 20) socket.end("-ERR max number of clients reached\r\n");
    });
    const run = await startClient({ to: server.at, connections: 40, durationMs: 1500 });
    const result = await within("the end", run.done);
    expect(result.misses).toEqual([{ kind: "lost", count: 20, of: 40 }]);
  });
});

describe("greetings", () => {
  const make = (areRequested = false, isOnePeer = true) => {
    const shared = new Int32Array(SHARED.words);
    if (areRequested) shared[SHARED.peerGreets] = 1;
    return new Greetings(shared, areRequested, isOnePeer);
  };

  it("are awaited once one has arrived promptly, compared with the handshake", () => {
    const [near, far] = [make(), make()];
    near.cameUnawaited(200, 1);
    expect(near.areAwaited).toBe(false);
    near.cameUnawaited(5, 1);
    expect(near.areAwaited).toBe(true);
    far.cameUnawaited(200, 150);
    expect(far.areAwaited).toBe(true);
  });

  it("are compared with the fastest handshake with a peer, not with one that this host delayed", () => {
    const [one, several] = [make(), make(false, false)];
    for (const greetings of [one, several]) {
      greetings.opened(1);
      greetings.opened(400);
      greetings.cameUnawaited(300, 400);
    }
    expect([one.areAwaited, several.areAwaited]).toEqual([false, true]);
    one.cameUnawaited(5, 400);
    expect(one.areAwaited).toBe(true);
  });

  it("are awaited again after one timeout, but not after a second", () => {
    const greetings = make();
    for (const isAwaited of [true, false]) {
      greetings.cameUnawaited(5, 1);
      expect(greetings.areAwaited).toBe(true);
      expect([greetings.gaveUp(999), greetings.gaveUp(1000), greetings.gaveUp(1000)]).toEqual([false, true, true]);
      expect(greetings.areAwaited).toBe(false);
      greetings.cameUnawaited(5, 1);
      expect(greetings.areAwaited).toBe(isAwaited);
    }
  });

  it("are no longer awaited once silence makes up most of the waiting", () => {
    const [steady, silent] = [make(), make()];
    steady.cameUnawaited(5, 1);
    silent.cameUnawaited(5, 1);
    for (let nowMs = 1000; nowMs < 3000; nowMs += 40) {
      if (nowMs % 400 !== 0) steady.came(nowMs);
      if (nowMs % 400 === 0) silent.came(nowMs);
      steady.held(nowMs, 40);
      silent.held(nowMs, 40);
    }
    expect([steady.areAwaited, silent.areAwaited]).toEqual([true, false]);
    silent.cameUnawaited(5, 1);
    expect(silent.areAwaited).toBe(false);
    // Connections that are already waiting are given up at once.
    expect([steady.gaveUp(10), silent.gaveUp(10)]).toEqual([false, true]);
  });

  it("that are required are awaited on each connection, for a second at most", () => {
    const greetings = make(true);
    expect([greetings.gaveUp(999), greetings.gaveUp(1000)]).toEqual([false, true]);
    expect(greetings.areAwaited).toBe(true);
  });
});
