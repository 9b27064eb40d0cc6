// Tests the diagnosis of runs of a user-defined protocol whose connections were fine but whose handlers were not.
import { expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult } from "../../src/index.js";
import { connectResult } from "../support/results.js";

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
