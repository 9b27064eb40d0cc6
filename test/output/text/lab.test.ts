// Tests the text of a lab that went wrong: it ran nothing, was stopped half-way, or failed.

import { describe, expect, it } from "vitest";
import { experimentText, labSummary } from "../../../src/output/text/lab.js";
import type { ExperimentResult, LabResult, LabVerdict } from "../../../src/results/lab/lab.js";

const made = (id: string, verdict: LabVerdict): ExperimentResult => ({
  ...{ id, title: `experiment ${id}`, claims: ["C1"], claim: "it is so", setup: "-", commands: [], prediction: "-" },
  ...{ observed: "-", verdict, reason: undefined, elapsedMs: 1, evidence: [] },
});

const lab = (experiments: readonly ExperimentResult[], stoppedIn?: string): LabResult => ({
  ...{ kind: "lab", version: 1, startedAt: "2026-01-01T00:00:00.000Z", elapsedMs: 1500, isQuick: true },
  testbed: { kind: "loopback", reason: undefined, serverIp: "127.64.0.1", clientIps: "127.64.1.1" },
  host: { kernel: "Linux", arch: "x64", node: "20", cpu: "-", cores: 1, memoryBytes: 1, nofileLimit: 1024 },
  ...{ reproduce: undefined, command: "fourtuple lab", stoppedIn, experiments },
});

describe("the lab's summary", () => {
  it.each([
    [lab([]), "no experiment ran, in 1.50 s (loopback)"],
    [lab([], "E1"), "stopped in E1, no experiment ran, in 1.50 s (loopback)"],
    [lab([made("E1", "confirmed")], "E2"), "stopped in E2, 1 confirmed, in 1.50 s (loopback)"],
    [
      lab([made("E1", "failed"), made("E2", "confirmed"), made("E3", "refuted"), made("E7", "skipped")]),
      "1 confirmed, 1 refuted, 1 failed, 1 skipped, in 1.50 s (loopback)",
    ],
  ])("lists what was run, with the verdicts", (result, expected) => {
    const [, headline, , ...rows] = labSummary(result).split("\n");
    expect(headline).toBe(expected);
    expect(rows).toHaveLength(result.experiments.length);
  });
});

describe("an experiment in a terminal", () => {
  const columns = ["what happened", "predicted", "observed"];
  const rows = [
    ["the link is cut and the client killed", "for ever ".repeat(9).trim(), 50],
    ["the client closes normally", "60 s", 1234],
  ];
  const result: ExperimentResult = {
    ...made("E7", "confirmed"),
    observed: "all there after 3.31 s; ".repeat(12).trim(),
    evidence: [{ kind: "table", title: "How long it lasts", columns, rows }],
  };

  it.each([80, 120])("is no wider than its %d columns", (width) => {
    const lines = experimentText(result, undefined, width).split("\n");
    expect(lines.filter(({ length }) => length > width)).toEqual([]);
    expect(lines).toContain("    what happened  the client closes normally");
    expect(lines).toContain("    observed       1,234");
  });

  it("has aligned tables if they fit", () => {
    const text = experimentText(result, undefined, 200);
    expect(text).toMatch(/^ {4}what happened +predicted +observed$/m);
    expect(text).toMatch(/^ {4}the client closes normally +60 s +1,234$/m);
    expect(experimentText(result)).toBe(text);
  });
});
