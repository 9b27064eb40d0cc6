// Tests results with extremely small and large numbers: they are rendered and summarized, and nothing shows NaN.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { explained, type explainRun } from "../../../src/diagnosis/explain.js";
import { connectPage } from "../../../src/output/html/connect-page.js";
import { drawEvidence } from "../../../src/output/html/evidence.js";
import { labPage } from "../../../src/output/html/lab-page.js";
import { connectSummary } from "../../../src/output/text/connect-summary.js";
import { experimentText, labSummary } from "../../../src/output/text/lab.js";
import { serveSummary } from "../../../src/output/text/serve.js";
import { parseResult, SCHEMAS } from "../../../src/results/parse.js";
import { connectResult, serveResult } from "../../support/results.js";

const EXTREMES = [0, 5e-324, 1e-9, 0.5, 65_535.5, 2 ** 53, 1e21, 1.7e308, -1, -1.7e308];
const LARGEST_PAGE = 3_000_000;
/** Number of entries tested from the beginning of a list; its last entry is tested as well. */
const TRIED = 2;

type Path = readonly (string | number)[];

function numbersOf(value: unknown, path: Path = []): Path[] {
  if (typeof value === "number") return [path];
  if (typeof value !== "object" || value === null) return [];
  const entries = Object.entries(value);
  const shown = Array.isArray(value)
    ? entries.filter((_, index) => index < TRIED || index === entries.length - 1)
    : entries;
  return shown.flatMap(([key, field]) => numbersOf(field, [...path, Array.isArray(value) ? Number(key) : key]));
}

function withNumber<T>(value: T, path: Path, number: number): T {
  const copy = structuredClone(value);
  let at = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as typeof at;
  at[path.at(-1)!] = number;
  return copy;
}

function expectDrawn(text: string, what: string): void {
  expect(text.length, what).toBeLessThan(LARGEST_PAGE);
  expect(/NaN|undefined|Infinity/.exec(text)?.input.slice(0, 300), what).toBeUndefined();
}

/** @returns the number of results rendered */
function tryAll<T>(
  value: T,
  accepts: (value: T) => boolean,
  draw: (value: T) => string,
  extremes: readonly number[] = EXTREMES,
): number {
  let drawn = 0;
  for (const path of numbersOf(value)) {
    for (const extreme of extremes) {
      const changed = withNumber(value, path, extreme);
      if (!accepts(changed)) continue;
      expectDrawn(draw(changed), `${path.join(".")} = ${extreme}`);
      drawn++;
    }
  }
  return drawn;
}

const latency = { count: 9, minUs: 1, meanUs: 5, p50Us: 4, p90Us: 9, p99Us: 20, p999Us: 25, maxUs: 30 };
const sample = (elapsedMs: number) => ({ elapsedMs, open: elapsedMs, established: elapsedMs, failed: 1 });
const client = connectResult({
  established: 20_000,
  failures: [{ phase: "connect", errno: "ETIMEDOUT", count: 400 }],
  lost: 3,
  losses: [{ phase: "hold", errno: "ECONNRESET", count: 3 }],
  latency: { connect: latency, firstByte: latency, roundTrip: latency },
  samples: [1, 2, 3, 4, 5, 6, 7].map((at) => sample(at * 100)),
  evidence: {
    deltas: { "TcpExt.ListenOverflows": 4 },
    memoryStop: { availableBytes: 1, floorBytes: 2, bound: "host" },
    lossPattern: {
      shortestHeldMs: 1,
      longestHeldMs: 2,
      openedOverMs: 3,
      kept: 4,
      keptOlder: 5,
      keptYounger: 6,
      oldestKeptMs: 7,
    },
  },
});
const lab = parseResult(
  JSON.parse(readFileSync(new URL("../fixtures/lab.json", import.meta.url), "utf8")),
  ["lab"],
  "lab.json",
);

/**
 * Returns whether a file with this result would be accepted. A negative number where none is allowed must be rejected
 * by field name.
 */
function isRead(result: Parameters<typeof explainRun>[0]): boolean {
  return SCHEMAS[result.kind].safeParse(result).success;
}

describe("extreme numbers", { timeout: 120_000 }, () => {
  it("a client's result is summarized and explained", () => {
    expect(tryAll(client, isRead, (value) => connectSummary(explained(value)))).toBeGreaterThan(300);
  });

  it("a client's page is rendered", () => {
    expect(tryAll(client, isRead, (value) => connectPage(explained(value)), [5e-324, 1.7e308])).toBeGreaterThan(100);
  });

  it("a server's result is summarized and explained", () => {
    const server = serveResult({ failures: [{ phase: "accept", errno: "EMFILE", count: 4 }], tableFull: 3 });
    expect(tryAll(server, isRead, (value) => serveSummary(explained(value), 1))).toBeGreaterThan(80);
  });

  const kinds = new Map(lab.experiments.flatMap(({ evidence }) => evidence.map((each) => [each.kind, each] as const)));
  it.each([...kinds])("the lab's evidence is drawn: %s", (_, evidence) => {
    const [experiment] = lab.experiments;
    const holding = (value: typeof evidence) => ({ ...lab, experiments: [{ ...experiment!, evidence: [value] }] });
    const accepts = (value: typeof evidence) => SCHEMAS.lab.safeParse(holding(value)).success;
    const draw = (value: typeof evidence) =>
      `${drawEvidence(value, "id").text}${experimentText({ ...experiment!, evidence: [value] })}`;
    expect(tryAll(evidence, accepts, draw)).toBeGreaterThan(5);
  });

  it("the lab's other figures are rendered", () => {
    const bare = { ...lab, experiments: lab.experiments.map((it) => ({ ...it, evidence: [] })) };
    const accepts = (value: unknown) => SCHEMAS.lab.safeParse(value).success;
    expect(tryAll(bare, accepts, (value) => `${labPage(value)}${labSummary(value)}`)).toBeGreaterThan(20);
  });

  it("all latencies are drawn at once", () => {
    for (const us of [5e-324, 1.7e308]) {
      const all = Object.fromEntries(
        Object.keys(latency).map((key) => [key, key === "count" ? 1 : us]),
      ) as typeof latency;
      const result = { ...client, latency: { connect: all, firstByte: latency, roundTrip: all } };
      expectDrawn(connectPage(explained(result)), `${us}`);
    }
  });
});
