// Tests mergeResults() of the public API with results of real runs.
import { expect, it } from "vitest";
import type { ConnectResult, ServeResult } from "../../src/index.js";
import { endpoint } from "../support/address.js";
import { mergeResults } from "../support/library.js";
import { startClient, startServer } from "../support/peers.js";
import { connectResult, serveResult } from "../support/results.js";
import { within } from "../support/until.js";

it("merges the results of two runs, also after a JSON round trip", async () => {
  const server = await startServer({ mode: "echo" });
  const options = { to: endpoint(server.address), message: "ping", messageRatePerSec: 50, durationMs: 300 };
  const runs = [await startClient({ ...options, connections: 5 }), await startClient({ ...options, connections: 7 })];
  const [a, b] = [await within("one end", runs[0]!.done), await within("the other end", runs[1]!.done)];
  const whole = await mergeResults(a, JSON.parse(JSON.stringify(b)));
  expect(whole).toMatchObject({
    kind: "connect",
    outcome: "met",
    requested: 12,
    established: 12,
    threads: a.threads + b.threads,
  });
  expect(whole.latency.connect.count).toBe(12);
  expect(whole.latency.roundTrip.count).toBe(a.latency.roundTrip.count + b.latency.roundTrip.count);
  expect(whole.latency.roundTrip.maxUs).toBe(Math.max(a.latency.roundTrip.maxUs, b.latency.roundTrip.maxUs));
  expect(whole.diagnosis).toMatchObject({ kind: "diagnosis", wanted: 12 });
  expect(await mergeResults(b, a)).toEqual(await mergeResults(a, b));
});

it("merges the results of two servers", async () => {
  const servers = [await startServer({ mode: "echo" }), await startServer({ mode: "echo" })];
  for (const server of servers) {
    const client = await startClient({ to: endpoint(server.address), connections: 3, durationMs: 50 });
    await within("the client's end", client.done);
  }
  const [a, b] = [await servers[0]!.stop(), await servers[1]!.stop()];
  const whole = await mergeResults(a, b);
  expect(whole).toMatchObject({ kind: "serve", accepted: 6, threads: a.threads + b.threads });
  expect(whole.startedAt).toBe([a.startedAt, b.startedAt].sort()[0]);
  expect(whole.elapsedMs).toBeGreaterThanOrEqual(Math.max(a.elapsedMs, b.elapsedMs) - 1);
  expect(whole.diagnosis).toMatchObject({ kind: "diagnosis", of: "serve" });
  expect(await mergeResults(b, a)).toEqual(whole);
});

it("rejects results of different kinds", async () => {
  const [client, server] = [connectResult(), serveResult()];
  await expect(mergeResults<ConnectResult | ServeResult>(client, server)).rejects.toMatchObject({ code: "E_OPTION" });
  await expect(mergeResults({} as ConnectResult, client)).rejects.toMatchObject({ code: "E_OPTION" });
});
