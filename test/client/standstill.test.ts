// Tests runs whose process is suspended: they resume where they stopped, do not catch up in a burst, and do not blame
// their peers for it.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { StandstillWatch } from "../../src/client/evidence/standstill-watch.js";
import { type ConnectResult, type Diagnosis, explainRun } from "../../src/index.js";
import { endpoint, ownAddress } from "../support/address.js";
import { establishedAt } from "../support/kernel.js";
import { connack } from "../support/mqtt.js";
import { startServer } from "../support/peers.js";
import { resultOf, runCli, startCli } from "../support/process.js";
import { until } from "../support/until.js";

/** Slow enough for a suspension in the middle of the ramp, even on a busy host. */
const RATE = 20;
const CONNECTIONS = 80;
const STOP_MS = 1500;

it("a client that was stopped by a signal shifts its schedule by that time, and says so", async () => {
  const server = await startServer();
  const client = startCli([
    ...["connect", endpoint(server.address), "--connect-rate", String(RATE), "-c", String(CONNECTIONS)],
    ...["-T", "0s", "--json"],
  ]);
  await until(
    "the first connections",
    () => establishedAt(server.address),
    (sockets) => sockets >= 5,
  );
  client.child.kill("SIGSTOP");
  // This is the duration of the suspension, not a wait for an event.
  await delay(STOP_MS);
  const before = establishedAt(server.address);
  client.child.kill("SIGCONT");
  const { stdout } = await client.exited();
  const result: ConnectResult & { diagnosis: Diagnosis } = resultOf(stdout);
  expect(result).toMatchObject({ outcome: "met", established: CONNECTIONS });
  expect(result.scheduleMovedMs).toBeGreaterThan(STOP_MS / 2);
  expect(result.diagnosis.notes.join()).toMatch(
    /the schedule shifted by [\d.]+ s, because this process was not running/,
  );
  // The first connection is due at once; the rest of the ramp continues at the requested rate.
  const scheduleMs = ((CONNECTIONS - 1) / RATE) * 1000;
  expect(result.rampMs - result.scheduleMovedMs!).toBeGreaterThan(scheduleMs - 100);
  const soonAfter = result.samples.filter(({ established }) => established > before).at(0)!;
  expect(soonAfter.established - before).toBeLessThan(RATE);
});

type Explained = ConnectResult & { diagnosis: Diagnosis };

/** Starts a TCP server in this process. */
async function startPeer(serve: (socket: Socket) => void) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  await once(server.listen(0, ownAddress()), "listening");
  onTestFinished(() => void server.close());
  return server.address() as { address: string; port: number };
}

/**
 * Runs a client that is stopped for `STOP_MS` as soon as `isTime` returns true.
 * @param resumed called when it runs again
 */
async function runStopped(args: readonly string[], isTime: () => boolean, resumed = () => {}): Promise<Explained> {
  const client = startCli(["connect", ...args, "--json"]);
  await until("the time to stop", isTime);
  client.child.kill("SIGSTOP");
  await delay(STOP_MS);
  client.child.kill("SIGCONT");
  resumed();
  const { stdout } = await client.exited();
  return resultOf(stdout);
}

it("a client that was stopped during handshakes does not call their answers late", async () => {
  const asking: Socket[] = [];
  const { address, port } = await startPeer((socket) => {
    socket.once("data", () => asking.push(socket));
  });
  const answer = () => {
    for (const socket of asking) socket.write(connack(), "latin1");
  };
  const result = await runStopped(
    [`mqtt://${address}:${port}`, "-c", "50", "--concurrency", "50", "--handshake-timeout", "1400ms", "-T", "0s"],
    () => asking.length === 50,
    // The client has found its handshakes overdue by then, unless it knows that it did not run.
    () => setTimeout(answer, 100),
  );
  expect(result.failures).toEqual([]);
  expect(result).toMatchObject({ outcome: "met", ready: 50, standstills: { cutOff: 0, lost: 0, roundTrips: 0 } });
  const { totalMs, latencies } = result.standstills!;
  expect(totalMs).toBeGreaterThan(STOP_MS - 500);
  expect(latencies).toBe(50);
  expect(result.diagnosis.notes.join()).toMatch(/this process did not run for .* s \(.*\): it was stopped or frozen/);
});

it("a client that was stopped does not blame the server for closing silent connections", async () => {
  const IDLE_MS = 1000;
  let messages = 0;
  const { address, port } = await startPeer((socket) => {
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("data", (bytes) => {
      messages++;
      socket.write(bytes);
    });
  });
  const result = await runStopped(
    [`${address}:${port}`, "-c", "20", "-m", "x", "-r", "4", "-T", "3s"],
    () => messages > 60,
  );
  expect(result).toMatchObject({ outcome: "missed", lost: 20, standstills: { lost: 20 } });
  expect(result.diagnosis.finding).toMatchObject({ limit: "standstill", whose: "local" });
  expect(result.diagnosis.finding!.evidence.join()).toMatch(/20 of 20 failed or ended while it stood still/);
  expect(result.diagnosis.notes.join()).not.toContain("did not run");
  const misses = [...result.misses!, { kind: "errors", count: 100, of: 200 } as const];
  const { finding } = await explainRun({ ...result, misses });
  expect(finding!.limit, "beside many error responses").not.toBe("standstill");
});

it("a client that was stopped says that this delayed the answers, if they miss a threshold", async () => {
  const server = await startServer({ mode: "echo" });
  let received = 0;
  const result = await runStopped(
    [endpoint(server.address), "-c", "20", "-m", "x", "-r", "10", "-T", "2500ms", "--max-p99", "300ms"],
    () => {
      received = server.snapshot().receivedBytes;
      return received > 100;
    },
  );
  expect(result.misses).toMatchObject([{ kind: "latency" }]);
  const { standstills } = result;
  expect(standstills!.roundTrips).toBeGreaterThan(20);
  expect(result.diagnosis.finding).toMatchObject({ limit: "standstill", whose: "local" });
  const { finding } = await explainRun({ ...result, standstills: { ...standstills!, connects: 20, roundTrips: 0 } });
  expect(finding, "if other latencies include it").toMatchObject({ limit: "threshold" });
});

it("a client that runs out of descriptors knows how long it ran", async () => {
  const server = await startServer();
  const args = ["connect", endpoint(server.address), "-c", "400", "-T", "1s", "--one-table", "--json"];
  const { stdout } = await runCli(args, { nofile: 128 });
  const { failures, standstills }: Explained = resultOf(stdout);
  expect(failures).toMatchObject([{ phase: "socket", errno: "EMFILE" }]);
  // On a busy host, the process may really wait for CPU.
  expect(standstills?.totalMs ?? 0).toBeLessThan(10_000);
});

it("a machine that slept counts as not running, and a busy thread does not", () => {
  const clocks = { nowMs: 0, bootMs: 0, cpuMs: 0 };
  const troubles = { cutOff: 0, lost: 0 };
  const watch = new StandstillWatch(
    () => ({ ...troubles }),
    () => ({ ...clocks }),
  );
  const pass = (ms: { now: number; slept?: number; cpu?: number }) => {
    clocks.nowMs += ms.now;
    clocks.bootMs += ms.now + (ms.slept ?? 0);
    clocks.cpuMs += ms.cpu ?? 0;
    watch.tick();
  };
  pass({ now: 100 });
  // Reading a large socket table, for example, keeps the thread busy.
  pass({ now: 5000, cpu: 4900 });
  expect(watch.report({ latencies: 0, connects: 0, roundTrips: 0 })).toBeUndefined();
  troubles.lost = 1;
  pass({ now: 100 });
  troubles.lost = 4;
  pass({ now: 100, slept: 60_000 });
  troubles.lost = 5;
  pass({ now: 100 });
  const spanning = { latencies: 2, connects: 0, roundTrips: 1 };
  expect(watch.report(spanning)).toEqual({
    ...{ count: 1, totalMs: 60_000, longestMs: 60_000, cutOff: 0, lost: 4 },
    ...spanning,
  });
});
