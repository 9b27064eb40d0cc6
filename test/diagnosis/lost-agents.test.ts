// Tests what is said about runs of a fleet that lost agents.
import { expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { FleetAgent, FleetReport } from "../../src/results/fleet/fleet.js";
import { connectResult } from "../support/results.js";

const agent = (name: string, changed: Partial<FleetAgent> = {}): FleetAgent => ({
  ...{ id: name, name, version: "1", cores: 1, memoryBytes: 1, addresses: [], ceiling: 1000 },
  ...{ state: "ended", failures: [], clockOffsetMs: 0, roundTripMs: 0 },
  ...{ requested: 500, established: 500, openAtStop: 500, failed: 0, lost: 0 },
  ...changed,
});
const lost = { state: "lost", reason: "silent for 3 heartbeats", lostAt: "2026-01-01T00:00:01.000Z" } as const;
const run = { outcome: "missed", established: 500, peakOpen: 500, failed: 0, holdMs: 2000 } as const;

const findingOf = (onLost: FleetReport["onLost"], absent: readonly FleetAgent[], changed = {}) =>
  explainRun(
    connectResult({
      ...run,
      ...changed,
      fleet: { run: "r", onLost, isPartial: true, missing: 500, startSkewMs: 0, agents: [agent("a"), ...absent] },
    }),
  ).finding;

it("an agent that was lost ended the run, or is the reason for missing connections", () => {
  const interrupted = { outcome: "interrupted" };
  expect(findingOf("abort", [agent("b", lost)], interrupted)).toMatchObject({
    limit: "agent",
    meaning: "agent b was lost, which ended the run",
    evidence: ["agent b: silent for 3 heartbeats"],
  });
  expect(
    findingOf("redeal", [agent("b", { ...lost, untaken: "agent a: it is full" }), agent("c", lost)]),
  ).toMatchObject({
    meaning: "2 agents were lost, with 500 of 1,000 connections",
    evidence: [
      "agent b: silent for 3 heartbeats; not taken over: agent a: it is full",
      "agent c: silent for 3 heartbeats",
    ],
  });
  const many = Array.from({ length: 6 }, (_, n) => agent(`b${n}`, { ...lost, state: "failed" }));
  expect(findingOf("continue", many)).toMatchObject({
    meaning: expect.stringMatching(/^6 agents failed, with 500 of/),
  });
  expect(findingOf("continue", many)!.evidence.at(-1)).toBe("and 2 more agents");
});

it("an agent that was lost while the run ended did not end it, and fewer connections than failed are not the reason", () => {
  const late = agent("b", { ...lost, lostAt: "2026-01-01T00:00:05.000Z" });
  expect(findingOf("abort", [late], { outcome: "interrupted" })).toMatchObject({ limit: "stop" });
  const failures = [{ phase: "setup", errno: "HTTP 503", count: 600 }];
  expect(findingOf("continue", [agent("b", lost)], { failed: 600, failures })?.limit).toBe("peer-maximum");
});
