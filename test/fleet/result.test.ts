// Tests the result of a fleet's run: merged percentiles, the verdict over all agents, and what only a comparison of them
// can tell.
import { describe, expect, it } from "vitest";
import { fleetResult } from "../../src/fleet/coordinator/result/client-result.js";
import { connectPage } from "../../src/output/html/connect-page.js";
import type { ConnectResult } from "../../src/results/connect.js";
import { Histogram } from "../../src/results/histogram/histogram.js";
import { summarizeLatency } from "../../src/results/histogram/summarize.js";
import type { Thresholds } from "../../src/results/outcome.js";
import { connectResult } from "../support/results.js";

const facts = (connections: number) => ({
  ...{ run: "r", onLost: "abort" as const, startMs: 0, wasStopped: false },
  spec: { connections, thresholds: {} },
});

/** Returns what is left of agents a0, a1 and so on with these results. */
const outcomesOf = (results: readonly ConnectResult[]) =>
  results.map((result, n) => ({
    agent: {
      ...{ id: `i${n}`, name: `a${n}`, version: "1", cores: 1, memoryBytes: 1, addresses: [] },
      ...{ host: `${n}`, place: `${n}`, allows: "" },
    },
    clock: { offsetMs: n, roundTripMs: 1 },
    result,
    ceiling: { connections: 9, addresses: 1 },
    requested: 1,
    takenOver: 0,
    state: "ended" as const,
  }));

describe("the first limit", () => {
  const failing = (errno: string, atMs: number, phase: "connect" | "setup" = "connect") =>
    connectResult({
      established: 600 + atMs,
      failures: [{ phase, errno, count: 400 }],
      samples: [{ elapsedMs: atMs, open: 0, established: 0, failed: 1 }],
    });
  const notesOf = (results: readonly ConnectResult[]) =>
    fleetResult(facts(1000 * results.length), outcomesOf(results))!.diagnosis.notes.filter((note) =>
      /first, at/.test(note),
    );

  it("is that of the agent that ran out of source ports before the others", () => {
    const met = connectResult({ isTargetMet: true, established: 1000, failed: 0 });
    expect(notesOf([met, failing("EADDRNOTAVAIL", 50)])).toEqual([
      expect.stringMatching(/^agent a1 met its limit first, at 650 connections: .*; the other agents met none$/),
    ]);
    const all = Array.from({ length: 12 }, (_, n) => failing("EADDRNOTAVAIL", 50 - n));
    expect(notesOf(all)).toEqual([
      expect.stringMatching(/^agent a11 met its limit first, .*; a10, a9, a8, a7, a6, a5, a4, a3 and 3 more later$/),
    ]);
  });

  it("is no agent's if the server refuses all of them", () => {
    const refused = (atMs: number) => failing("HTTP 503", atMs, "setup");
    expect(notesOf([refused(50), refused(60)])).toEqual([]);
    const met = connectResult({ isTargetMet: true, established: 1000, failed: 0 });
    expect(notesOf([refused(50), met])).toHaveLength(1);
  });
});

it("percentiles of a fleet are those of all samples in one histogram, and its report has a section for each agent", () => {
  const whole = new Histogram();
  const results = [0, 1, 2].map((n) => {
    const own = new Histogram();
    for (let i = 0; i < 1000; i++) {
      const us = 1 + ((i * 7919 + n * 104_729) % 50_000) * (n + 1);
      own.record(us);
      whole.record(us);
    }
    return connectResult({ latency: { ...connectResult({}).latency, connect: summarizeLatency(own) } });
  });
  const outcomes = outcomesOf(results);
  const merged = fleetResult(facts(3), outcomes)!;
  expect(merged.latency.connect).toEqual(summarizeLatency(whole));
  const judged = (thresholds: Thresholds) =>
    fleetResult({ ...facts(3), spec: { connections: 3, thresholds } }, outcomes)!;
  const kinds = (thresholds: Thresholds) => judged(thresholds).misses.map(({ kind }) => kind);
  expect(kinds({ maxP99Ms: merged.latency.connect.p99Us / 1000 - 0.001, minRatePerSec: 1e9 })).toEqual(
    expect.arrayContaining(["rate", "latency"]),
  );
  expect(kinds({ maxP99Ms: merged.latency.connect.p99Us / 1000 })).not.toContain("latency");
  const page = connectPage(merged);
  for (const name of ["a0", "a1", "a2"]) expect(page).toContain(`${name}: 1 core`);
  expect(page).toContain("They started 2 ms apart (their clocks are known to ");
  expect(connectPage(fleetResult(facts(3), outcomes.slice(0, 1))!)).not.toContain("They started");
});
