// Tests results that are put together from what agents have stored in JetStream, some of which is damaged. The values
// are written by another NATS client.
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askFleet } from "../../src/fleet/runs.js";
import type { ConnectResult } from "../../src/index.js";
import { Histogram } from "../../src/results/histogram/histogram.js";
import { summarizeLatency } from "../../src/results/histogram/summarize.js";
import { HAS_NATS, NatsServer } from "../support/nats.js";
import { runCli } from "../support/process.js";
import { connectResult } from "../support/results.js";

const AGENTS = ["a", "b", "c"];

describe.runIf(HAS_NATS)("`fourtuple fleet result`", () => {
  let nats: NatsServer;
  let other: NatsConnection;

  beforeAll(async () => {
    nats = await NatsServer.start(["-js"]);
    // Creates the bucket.
    await askFleet({ servers: nats.url }, async () => undefined);
    other = await connect({ servers: nats.url });
  });

  afterAll(async () => {
    await other?.close();
    await nats?.stop();
  });

  const store = (key: string, value: object | string) =>
    other.request(`$KV.fourtuple-runs.${key}`, typeof value === "string" ? value : JSON.stringify(value));

  /** Stores the plan of a run whose coordinator died, in which each agent was to open 10 connections. */
  const storePlan = (run: string) => {
    const outcomes = AGENTS.map((name) => ({
      agent: {
        ...{ id: name, name, version: "1", cores: 1, memoryBytes: 1, addresses: [] },
        ...{ host: name, place: name, allows: "" },
      },
      ceiling: { connections: 100, addresses: 1 },
      clock: { offsetMs: 0, roundTripMs: 1 },
      requested: 10,
      takenOver: 0,
      state: "lost",
    }));
    const spec = { connections: 10 * AGENTS.length, thresholds: {} };
    const facts = { run, onLost: "abort", spec, startMs: 0, wasStopped: true };
    return store(`${run}.plan`, { role: "connect", startedAt: "2026-01-01T00:00:00.000Z", facts, outcomes });
  };

  const partOf = (agent: string) => {
    const connected = new Histogram();
    connected.record(1000, 10);
    const latency = { ...connectResult({}).latency, connect: summarizeLatency(connected) };
    const counts = { requested: 10, established: 10, peakOpen: 10, failed: 0, ready: 10 };
    return { agent, result: connectResult({ ...counts, latency, isTargetMet: true }) };
  };

  const result = (run: string, ...options: string[]) =>
    runCli(["fleet", "result", run, "--nats", nats.url, ...options]);

  const withHistogram = (histogram: string) => {
    const part = partOf("b");
    const connect = { ...part.result.latency.connect, histogram };
    return { ...part, result: { ...part.result, latency: { ...part.result.latency, connect } } };
  };

  it.each<[string, object | string, string]>([
    [
      "bytes",
      "\x1f\x8b not gzip",
      "cannot read {run}.part.b from JetStream's bucket fourtuple-runs: it is not what fourtuple stores",
    ],
    ["object", { agent: 7 }, "{run}.part.b is not an agent's part of a run"],
    [
      "result",
      { agent: "b", result: { kind: "connect" } },
      "the result of agent b is not a run result: version is missing",
    ],
    [
      "histogram",
      withHistogram("HISTFAAAA"),
      "the result of agent b is not a run result: latency.connect.histogram is invalid (cannot be decoded)",
    ],
  ])("merges the other parts if one has damaged %s, and names it", async (damage, damaged, expected) => {
    await storePlan(damage);
    await store(`${damage}.part.a`, partOf("a"));
    await store(`${damage}.part.b`, damaged);
    await store(`${damage}.part.c`, partOf("c"));
    const reason = expected.replace("{run}", damage);
    const { stdout, code } = await result(damage, "--json");
    expect(code).toBe(1);
    const merged: ConnectResult = JSON.parse(stdout);
    expect(merged).toMatchObject({
      ...{ established: 20, requested: 30, outcome: "interrupted" },
      fleet: { isPartial: true, missing: 10 },
    });
    expect(merged.latency.connect.count).toBe(20);
    expect(merged.fleet!.agents.map(({ name, state, reason: said }) => [name, state, said])).toEqual([
      ["a", "ended", undefined],
      ["b", "failed", reason],
      ["c", "ended", undefined],
    ]);
    expect(merged.diagnosis!.notes[0]).toContain(`agent b failed (${reason})`);
  });

  it("says why there is none if no part can be read", async () => {
    await storePlan("none");
    for (const agent of ["a", "b"]) await store(`none.part.${agent}`, { agent });
    await store("none.part.c", "[]");
    expect((await result("none")).stderr).toContain(
      "agents a and b: it delivered no result; agent c: none.part.c is not an agent's part of a run",
    );
  });

  it("says that what is kept cannot be read, and the other runs are still listed", async () => {
    await store("bad.plan", "{");
    await store("ended.result", "{");
    await storePlan("good");
    for (const key of ["bad.plan", "ended.result"]) {
      const { stderr, code } = await result(key.split(".")[0]!);
      expect([code, stderr]).toEqual([1, expect.stringContaining(`cannot read ${key} from JetStream's bucket`)]);
    }
    const { stdout } = await runCli(["fleet", "runs", "--nats", nats.url]);
    expect(stdout).toMatch(/^good +2026-01-01T00:00:00.000Z +30 /m);
    expect(stdout).toMatch(/^bad +- +- /m);
  });
});
