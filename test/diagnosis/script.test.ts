// Tests the diagnosis of runs of a user-defined protocol whose connections were fine but whose handlers were not.
import { expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult } from "../../src/index.js";
import { connectResult, serveResult } from "../support/results.js";

const script = {
  name: "x",
  file: "/x.mjs",
  sha256: "",
  seed: 1,
  phases: [],
  counters: [],
  histograms: [],
  refusals: [],
};

function findingOf(changed: Partial<ConnectResult>) {
  return explainRun(connectResult({ protocol: "scripted", script, isTargetMet: false, failures: [], ...changed }))
    .finding;
}

it("handlers that close connections before they are ready", () => {
  const finding = findingOf({ misses: [{ kind: "unready", count: 20, of: 20 }] });
  expect(finding).toMatchObject({ limit: "handler", whose: "local" });
  expect(finding?.meaning).toBe("the client's handlers called close() before ready()");
  expect(finding?.evidence).toEqual(["20 of 20 connections were never ready, and none failed"]);
});

it("handlers that report no answers, although bytes arrive", () => {
  const messages = { expected: "handler", answered: 0, unanswered: 25, sent: 25, due: 25, bytes: 0 };
  const finding = findingOf({
    misses: [{ kind: "unanswered", count: 25, of: 25 }],
    messages: { wrongBytes: 0, unsolicitedBytes: 0, ...messages } as ConnectResult["messages"],
    traffic: { sentBytes: 25, receivedBytes: 25 } as ConnectResult["traffic"],
  });
  expect(finding).toMatchObject({ limit: "messages", whose: "local" });
  expect(finding?.meaning).toBe("the client's handlers reported no message as answered");
  expect(finding?.evidence).toEqual(["0 of 25 messages were answered", "25 B received"]);
});

it.each([
  ["the file", "  at Object.closing (/home/a b/x.mjs:12:5)", "x.mjs, line 12"],
  ["a file that it imports", "  at check (/home/lib/parse.mjs:3:1)", "parse.mjs, line 3"],
  ["an unknown line", "  in /x.mjs", "x.mjs"],
])("handlers of either side that threw in %s, without ending a connection that was needed", (_, frame, where) => {
  const errors = { count: 4, first: ["closing() failed for connection 7: Error: no", frame] };
  const expected = {
    limit: "handler",
    whose: "local",
    evidence: [`4 calls failed, first: closing() failed for connection 7: Error: no (${where})`],
  };
  const misses = [{ kind: "handler-errors" as const, count: 4, of: 600 }];
  expect(findingOf({ misses, script: { ...script, errors } })).toMatchObject(expected);
  const server = serveResult({ protocol: "scripted", script: { ...script, errors } });
  expect(explainRun(server)).toMatchObject({ outcome: "limited", finding: expected });
});
