// Tests --max-failed, --max-p99 and --min-rate: a value at the limit meets the target, one just beyond misses it.

import { describe, expect, it } from "vitest";
import { allowedFailures } from "../../../src/planning/parse-run-spec.js";
import { Histogram } from "../../../src/results/histogram/histogram.js";
import { summarizeLatency } from "../../../src/results/histogram/summarize.js";
import type { Miss } from "../../../src/results/outcome.js";
import {
  allowedErrors,
  thresholdMisses,
  toleratesFailures,
  withoutTolerated,
} from "../../../src/results/thresholds.js";

describe("allowed failures", () => {
  it.each<[number | string | undefined, number | undefined]>([
    [undefined, undefined],
    [0, 0],
    [12, 12],
    ["0", 0],
    ["10", 10],
    ["1k", 1000],
    ["0%", 0],
    ["1%", 20],
    [" 2.5 % ", 50],
    ["0.07%", 1],
    ["12.25%", 245],
    ["100%", 2000],
  ])("%j of 2,000 are %j", (given, allowed) => {
    expect(allowedFailures(given, 2000)).toBe(allowed);
  });

  it("are not affected by binary fractions: 0.7% of 1,000 are 7", () => {
    expect(allowedFailures("0.7%", 1000)).toBe(7);
  });

  it.each(["100.1%", "101%", "-1%", "%", "1%%", "x1%", "1%x", "1.%", ".5%", -1, 1.5, Number.NaN, "many", "-1", "1.5"])(
    "%j is rejected",
    (given) => {
      expect(() => allowedFailures(given, 2000)).toThrow(expect.objectContaining({ code: "E_OPTION" }));
    },
  );
});

describe("allowed error responses", () => {
  it.each([
    [undefined, 1000, 50, 0],
    [0, 1000, 50, 0],
    [1, 1000, 50, 20],
    [1, 49, 50, 0],
    [50, 1000, 50, 1000],
    [1, 1000, 0, 0],
  ])(
    "with %j of the connections allowed to fail, of %i responses and %i connections: %i",
    (maxFailed, responses, requested, allowed) => {
      expect(allowedErrors({ maxFailed }, responses, requested)).toBe(allowed);
    },
  );
});

function measured(overrides: object = {}) {
  const [connect, roundTrip] = [new Histogram(), new Histogram()];
  const run = { ratePerSec: 100, requested: 50, established: 40, failed: 6, lost: 3, ...overrides };
  return { ...run, latency: { connect: summarizeLatency(connect), roundTrip: summarizeLatency(roundTrip) } };
}

/** Returns a run with these 99th percentiles. */
function withP99(connectMs: number, roundTripMs?: number) {
  const run = measured();
  const { connect, roundTrip } = run.latency;
  const latency = {
    connect: { ...connect, count: 1, p99Us: connectMs * 1000 },
    roundTrip: roundTripMs === undefined ? roundTrip : { ...roundTrip, count: 1, p99Us: roundTripMs * 1000 },
  };
  return { ...run, latency };
}

describe("a threshold", () => {
  it("that is not set is never exceeded", () => {
    expect(thresholdMisses({}, withP99(1e6, 1e6))).toEqual([]);
  });

  it("on latency applies to round trips if there are any, otherwise to connecting", () => {
    const miss = { kind: "latency", of: 5 };
    expect(thresholdMisses({ maxP99Ms: 5 }, withP99(9, 5))).toEqual([]);
    expect(thresholdMisses({ maxP99Ms: 5 }, withP99(1, 5.001))).toEqual([{ ...miss, count: 5.001 }]);
    expect(thresholdMisses({ maxP99Ms: 5 }, withP99(5))).toEqual([]);
    expect(thresholdMisses({ maxP99Ms: 5 }, withP99(5.001))).toEqual([{ ...miss, count: 5.001 }]);
  });

  it("on the rate is met by exactly that rate", () => {
    expect(thresholdMisses({ minRatePerSec: 100 }, measured())).toEqual([]);
    expect(thresholdMisses({ minRatePerSec: 100.5 }, measured())).toEqual([{ kind: "rate", count: 100, of: 100.5 }]);
  });

  it("on failures covers failed and lost connections together", () => {
    expect(thresholdMisses({ maxFailed: 9 }, measured())).toEqual([]);
    expect(thresholdMisses({ maxFailed: 8 }, measured())).toEqual([{ kind: "failures", count: 9, of: 8 }]);
    expect(toleratesFailures({ maxFailed: 9 }, measured())).toBe(true);
    expect(toleratesFailures({ maxFailed: 8 }, measured())).toBe(false);
    expect(toleratesFailures({}, measured())).toBe(false);
  });
});

it("connections allowed to fail or be lost are not missing; all others are", () => {
  const misses: Miss[] = [
    { kind: "established", count: 10, of: 50 },
    { kind: "lost", count: 3, of: 50 },
    { kind: "unanswered", count: 7, of: 9 },
  ];
  const [, , unanswered] = misses;
  expect(withoutTolerated(misses, measured())).toEqual([{ kind: "established", count: 4, of: 50 }, unanswered]);
  expect(withoutTolerated(misses, measured({ established: 45 }))[0]).toMatchObject({ count: 0 });
});
