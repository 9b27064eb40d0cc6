// Tests that a suspended run resumes where it stopped and does not catch up in a burst.
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { ConnectResult, Diagnosis } from "../../src/index.js";
import { endpoint } from "../support/address.js";
import { establishedAt } from "../support/kernel.js";
import { startServer } from "../support/peers.js";
import { resultOf, startCli } from "../support/process.js";
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
    /the schedule shifted by 1\.\d+ s, because this process was not running/,
  );
  // The first connection is due at once; the rest of the ramp continues at the requested rate.
  const scheduleMs = ((CONNECTIONS - 1) / RATE) * 1000;
  expect(result.rampMs - result.scheduleMovedMs!).toBeGreaterThan(scheduleMs - 100);
  const soonAfter = result.samples.filter(({ established }) => established > before).at(0)!;
  expect(soonAfter.established - before).toBeLessThan(RATE);
});
