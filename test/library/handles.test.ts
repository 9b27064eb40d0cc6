// Tests that the handles of both roles have the same public members and expose no internals.
import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import type { Diagnosis } from "../../src/index.js";
import { endpoint } from "../support/address.js";
import { startClient, startServer } from "../support/peers.js";
import { within } from "../support/until.js";

/** Returns the public members of a handle, excluding those of EventEmitter. */
function surface(handle: EventEmitter): string[] {
  const own = new Set(Object.keys(new EventEmitter()));
  const names = [...Object.keys(handle), ...Object.getOwnPropertyNames(Object.getPrototypeOf(handle))];
  return names.filter((name) => name !== "constructor" && !own.has(name)).sort();
}

const BOTH = ["abort", "done", "ready", "snapshot", "snapshots", "stop"];

it("a server and a run have the same public members, and expose neither pool nor histogram", async () => {
  const server = await startServer({ mode: "echo" });
  const run = await startClient({ to: endpoint(server.address), connections: 5, durationMs: 60_000, message: "ping" });
  expect(surface(server)).toEqual([...BOTH, "address", "backlog", "certificate"].sort());
  expect(surface(run)).toEqual(
    [...BOTH, "spec", "names", "tuplesAvailable", "byDestination", "latency", "resetLatency"].sort(),
  );
  await within("the hold", run.ready);
  for (const handle of [server, run]) {
    for await (const { open } of handle.snapshots(5)) if (open === 5) break;
    expect(typeof handle[Symbol.asyncIterator]().next).toBe("function");
  }
  expect(run.latency().connect.count).toBe(5);
  run.resetLatency();
  expect(run.latency().connect.count).toBe(0);
  expect(JSON.parse(JSON.stringify(run.spec))).toEqual(run.spec);
  expect(await run.stop()).toMatchObject({ kind: "connect", established: 5, latency: { connect: { count: 0 } } });
  expect(await server.stop()).toMatchObject({ kind: "serve", accepted: 5 });
});

it("a result has a diagnosis, also according to its type", async () => {
  const server = await startServer();
  const run = await startClient({ to: endpoint(server.address), durationMs: 0 });
  const diagnoses: Diagnosis[] = [(await within("the end", run.done)).diagnosis, (await server.stop()).diagnosis];
  expect(diagnoses).toMatchObject([
    { of: "connect", outcome: "met" },
    { of: "serve", outcome: "met" },
  ]);
});
