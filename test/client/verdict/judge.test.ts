// Tests the verdict on a run's misses and its text.

import { describe, expect, it } from "vitest";
import { judge, missPhrases, outcomeOf } from "../../../src/client/verdict/verdict.js";
import { MISS_KINDS } from "../../../src/results/identifiers.js";
import type { Miss } from "../../../src/results/outcome.js";
import { connectResult } from "../../support/results.js";

const LOST: Miss = { kind: "lost", count: 3, of: 10 };

describe("a verdict", () => {
  it.each<[string, boolean, Miss[], object]>([
    ["nothing is missing", false, [{ ...LOST, count: 0 }], { outcome: "met", isTargetMet: true, misses: [] }],
    ["something is missing", false, [LOST], { outcome: "missed", isTargetMet: false, misses: [LOST] }],
    [
      "a single connection is missing",
      false,
      [{ ...LOST, count: 1 }],
      { outcome: "missed", misses: [{ ...LOST, count: 1 }] },
    ],
    ["it was stopped but nothing is missing", true, [], { outcome: "interrupted", isTargetMet: false, misses: [] }],
    ["it was stopped", true, [LOST], { outcome: "interrupted", isTargetMet: false, misses: [LOST] }],
  ])("where %s", (_, wasInterrupted, found, verdict) => {
    expect(judge(wasInterrupted, found)).toMatchObject(verdict);
  });

  it("describes what is missing, even a kind added by a newer version", () => {
    const misses: Miss[] = [{ kind: "established", count: 400, of: 1000 }, LOST, { ...LOST, kind: "newer" as "lost" }];
    expect(missPhrases(misses)).toEqual(["3 lost during hold", "3 newer"]);
    expect(missPhrases()).toEqual([]);
  });

  it("is derived for results of older versions", () => {
    const { outcome: _, ...older } = connectResult({ isTargetMet: true });
    expect(outcomeOf(older)).toBe("met");
    expect(outcomeOf({ ...older, isTargetMet: false })).toBe("missed");
    expect(outcomeOf({ outcome: "interrupted", isTargetMet: false })).toBe("interrupted");
  });
});

it("each kind of miss has its own text, with its numbers", () => {
  expect(missPhrases(MISS_KINDS.map((kind) => ({ kind, count: 1200, of: 4000 })))).toEqual([
    "1,200 established but not ready",
    "1,200 lost during hold",
    "1,200 closed by the server and not reopened",
    "1,200 established at this end only",
    "1,200 not accepted by the server",
    "1,200 not greeted",
    "1,200 of 4,000 messages due but never sent",
    "1,200 of 4,000 messages unanswered (30%)",
    "1,200 of 4,000 messages not delivered",
    "1,200 of 4,000 responses with status 4xx or 5xx",
    "1,200 handler calls threw an error",
    "1,200 failed or lost (at most 4,000 allowed)",
    "1,200 connections/s (at least 4,000 required)",
    "p99 1.20 s (at most 4 s allowed)",
  ]);
});

it.each([
  [1, 1000, "under 1%"],
  [9, 1000, "under 1%"],
  [10, 1000, "1%"],
  [500, 1000, "50%"],
  [990, 1000, "99%"],
  [991, 1000, "over 99%"],
  [999, 1000, "over 99%"],
  [1000, 1000, "100%"],
])("%i of %i unanswered are %s", (count, of, share) => {
  expect(missPhrases([{ kind: "unanswered", count, of }])[0]).toContain(`(${share})`);
});
