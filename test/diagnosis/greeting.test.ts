// Tests missing greetings of a server that cannot be inspected.
import { describe, expect, it } from "vitest";

import { explainRun } from "../../src/diagnosis/explain.js";
import { connectResult } from "../support/results.js";

const greetings = { greeted: 200, ungreeted: 100, awaited: 0 };
const run = { outcome: "missed", established: 300, peakOpen: 300, failed: 0 } as const;

describe("a server on another host that greets only some connections", () => {
  it("may have stopped accepting, or may be silent: only its host can tell", () => {
    const misses = [{ kind: "ungreeted", count: 100, of: 300 }] as const;
    const { finding, suspects, notes } = explainRun(connectResult({ ...run, greetings, misses }));
    expect(finding).toBeUndefined();
    expect(suspects.map(({ limit }) => limit)).toEqual(["peer-maximum", "peer-silent"]);
    expect(suspects[0]!.test).toMatch(/Recv-Q of about 100/);
    expect(suspects[0]!.evidence[0]).toMatch(/^200 were greeted; 100 were not/);
    expect(notes).toEqual([]);
  });

  it("is a note if it is not known to greet", () => {
    const { outcome, notes } = explainRun(
      connectResult({ ...run, outcome: "met", isTargetMet: true, misses: [], greetings }),
    );
    expect(outcome).toBe("met");
    expect(notes).toEqual(["the server spoke first on 200 connections, but not (yet) on 100"]);
  });
});
