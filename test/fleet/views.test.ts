// Tests what the live page and Prometheus are shown of a fleet: sums, a row for each agent, and what is left of a lost
// one; and that long lists of agents are cut.
import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { fleetMeter } from "../../src/cli/fleet/pace.js";
import type { FleetRun } from "../../src/fleet/coordinator/fleet-run.js";
import type { Member } from "../../src/fleet/coordinator/member.js";
import { coarseSums } from "../../src/fleet/sums/latencies.js";
import { emptySnapshot } from "../../src/fleet/sums/snapshots.js";
import { connectFleetFeed } from "../../src/output/live/fleet-feed.js";
import type { Buckets } from "../../src/output/prometheus/families.js";
import { fleetClientFamilies } from "../../src/output/prometheus/fleet.js";
import { agentRows } from "../../src/output/text/fleet.js";
import { listeningText } from "../../src/output/text/fleet-servers.js";
import { Histogram } from "../../src/results/histogram/histogram.js";

/** @param connectMs latency of each connection */
function member(name: string, open: number, state: Member["state"] = "active", connectMs = 1): Member {
  const snapshot = { ...emptySnapshot(), open, established: open, ready: open, elapsedMs: 1000, stage: "hold" };
  const connectUs = new Histogram();
  connectUs.record(connectMs * 1000, open);
  const histograms = coarseSums([{ connectUs }]);
  const failures = [
    { phase: "connect", cause: "ECONNREFUSED", count: 2 },
    { phase: "hold", cause: `FIN${name}`, count: open },
  ];
  return { name, state, snapshot, histograms, failures, requested: 50, cores: 0.5 } as unknown as Member;
}

const members = [
  member("a", 40),
  { ...member("b", 30, "lost", 100), reason: "silent for 3 heartbeats" } as unknown as Member,
];

it("the live page has the sums, the latencies of all agents, and a row for each agent", () => {
  const run = Object.assign(new EventEmitter(), {
    spec: { connections: 100, destinations: [{ host: "10.0.0.9", ports: { first: 7777, last: 7777 } }] },
    members,
    heartbeatMs: 0,
    snapshot: () => ({ ...emptySnapshot(), open: 40, established: 70, stage: "hold", elapsedMs: 1000 }),
  }) as unknown as FleetRun;
  const feed = connectFleetFeed(run);
  const { row, now } = feed.read();
  expect(feed.head.title).toBe("10.0.0.9:7777 from 2 agents");
  const figures = Object.fromEntries(feed.head.columns.map(({ name }, n) => [name, row[n]]));
  expect(figures).toMatchObject({ open: 40, established: 70, phase: 1, agentCores: 0.5 });
  expect(figures.connectP50! / 1000).toBeCloseTo(1, 1);
  expect(figures.connectP99! / 100_000).toBeCloseTo(1, 1);
  // Nothing was measured since then.
  expect(feed.read().row.at(-1)).toBeNull();
  // Those of a lost agent count until its last heartbeat.
  expect(now.failures).toEqual([
    { phase: "hold", cause: "FINa", count: 40 },
    { phase: "hold", cause: "FINb", count: 30 },
    { phase: "connect", cause: "ECONNREFUSED", count: 4 },
  ]);
  expect(now.agents).toMatchObject([
    { name: "a", state: "holding", isLost: false, open: 40, ratePerSec: 40, text: "50 requested" },
    { name: "b", state: "lost", isLost: true, open: 0, ratePerSec: 0, text: "silent for 3 heartbeats" },
  ]);
});

it("Prometheus gets the counters and latencies of each agent, and no open connections of a lost one", () => {
  const families = fleetClientFamilies(members);
  const samples = (name: string) => families.find((family) => family.name === name)!.samples;
  expect(samples("fourtuple_connect_open")).toEqual([
    [{ agent: "a" }, 40],
    [{ agent: "b" }, 0],
  ]);
  expect(samples("fourtuple_connect_established").map(([, value]) => value)).toEqual([40, 30]);
  const connect = samples("fourtuple_connect_connect_seconds");
  expect(connect).toMatchObject([
    [{ agent: "a" }, { count: 40 }],
    [{ agent: "b" }, { count: 30 }],
  ]);
  const [, { sum } = { sum: 0 }] = connect[1] as [object, Buckets];
  expect(sum).toBeCloseTo(3, 0);
  expect(samples("fourtuple_connect_failures")).toEqual([
    [{ agent: "a", phase: "connect", cause: "ECONNREFUSED" }, 2],
    [{ agent: "a", phase: "hold", cause: "FINa" }, 40],
    [{ agent: "b", phase: "connect", cause: "ECONNREFUSED" }, 2],
    [{ agent: "b", phase: "hold", cause: "FINb" }, 30],
  ]);
  expect(samples("fourtuple_fleet_agent_up").map(([, value]) => value)).toEqual([1, 0]);
});

it("Prometheus gets the latencies of 1,000 agents before a lease could run out", () => {
  const many = Array.from({ length: 1000 }, (_, n) => member(`agent-${n}`, 40));
  const before = process.cpuUsage();
  const families = fleetClientFamilies(many);
  const { user } = process.cpuUsage(before);
  expect(families.find(({ name }) => name === "fourtuple_connect_connect_seconds")!.samples).toHaveLength(1000);
  expect(user / 1e6).toBeLessThan(1);
});

it("the rate of a fleet does not drop to zero between two heartbeats", () => {
  const meter = fleetMeter({ heartbeatMs: 1000 });
  const rates = Array.from({ length: 50 }, (_, n) => meter.take(n * 200, Math.floor(n / 5) * 500));
  expect(Math.min(...rates.slice(10))).toBeGreaterThan(250);
  expect(Math.max(...rates.slice(10))).toBeLessThan(750);
});

it("lists of many agents are cut to the first and last ones", () => {
  const many = Array.from({ length: 1000 }, (_, n) => n);
  const rows = agentRows(many.map((n) => ({ name: `agent-${n}`, state: "hold", requested: 1, open: 1, failed: 0 })));
  expect(rows).toHaveLength(21);
  expect(rows[16]).toMatch(/… 980 more/);
  expect(rows.at(-1)).toMatch(/agent-999/);
  const listening = many.map((n) => ({
    ...{ name: `agent-${n}`, ceiling: 1, limit: undefined, addresses: ["fd00::1", "10.0.0.5"] },
    address: { ip: "0.0.0.0", port: n + 1 },
  }));
  expect(listeningText("run1", listening)).toMatch(/agent-0 +10\.0\.0\.5:1 /);
});
