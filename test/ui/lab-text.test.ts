// The lab as text where things went wrong: nothing made, stopped half-way, failed.
import { describe, expect, it } from "vitest";
import type { ExperimentResult, LabResult, Verdict } from "../../src/lab/result.js";
import { labSummary } from "../../src/ui/lab-text.js";

const made = (id: string, verdict: Verdict): ExperimentResult => ({
  ...{ id, title: `experiment ${id}`, claims: ["C1"], claim: "it is so", setup: "-", commands: [], prediction: "-" },
  ...{ observed: "-", verdict, reason: undefined, elapsedMs: 1, evidence: [] },
});

const lab = (experiments: readonly ExperimentResult[], stoppedIn?: string): LabResult => ({
  ...{ kind: "lab", version: 1, startedAt: "2026-01-01T00:00:00.000Z", elapsedMs: 1500, isQuick: true },
  place: { kind: "loopback", reason: undefined, serverIp: "127.64.0.1", clientIps: "127.64.1.1" },
  host: { kernel: "Linux", arch: "x64", node: "20", cpu: "-", cores: 1, memoryBytes: 1, nofileLimit: 1024 },
  ...{ byHand: undefined, command: "fourtuple lab", stoppedIn, experiments },
});

describe("the lab's summary", () => {
  it.each([
    [lab([]), "no experiment was made, in 1.50 s (loopback)"],
    [lab([], "E1"), "stopped in E1, no experiment was made, in 1.50 s (loopback)"],
    [lab([made("E1", "confirmed")], "E2"), "stopped in E2, 1 confirmed, in 1.50 s (loopback)"],
    [
      lab([made("E1", "failed"), made("E2", "confirmed"), made("E3", "refuted"), made("E7", "not possible here")]),
      "1 confirmed, 1 refuted, 1 failed, 1 not possible here, in 1.50 s (loopback)",
    ],
  ])("says what was made, and what came of it", (result, expected) => {
    const [, headline, , ...rows] = labSummary(result).split("\n");
    expect(headline).toBe(expected);
    expect(rows).toHaveLength(result.experiments.length);
  });
});
