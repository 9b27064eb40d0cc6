// Tests what the live page is sent of a lab: the state of each experiment, and the connections of all its clients.
import { expect, it } from "vitest";
import type { ConnectSnapshot } from "../../../src/client/snapshot.js";
import { LabFeed } from "../../../src/output/live/lab-feed.js";
import type { ExperimentResult } from "../../../src/results/lab/lab.js";

const EXPERIMENTS = ["E1", "E2"].map((id) => ({ id, title: `title of ${id}`, claim: `claim of ${id}` }));
const ENDED = { verdict: "confirmed", observed: "as predicted", elapsedMs: 5 } as ExperimentResult;

function client(open: number, established: number): ConnectSnapshot {
  return {
    requested: 9,
    open,
    established,
    failed: 1,
    lost: 0,
    sentMessages: 2,
    answeredMessages: 1,
  } as ConnectSnapshot;
}

function figures(feed: LabFeed): Record<string, number | null> {
  const { row } = feed.read();
  return Object.fromEntries(feed.head.columns.map(({ name }, index) => [name, row[index]!]));
}

it("shows which experiment runs, what it does, and the verdicts", () => {
  const feed = new LabFeed(EXPERIMENTS);
  const states = () => feed.read().now.experiments!.map(({ state, text }) => [state, text]);
  expect(feed.head.phases).toEqual(["E1", "E2"]);
  expect(states()).toEqual([
    ["waiting", "claim of E1"],
    ["waiting", "claim of E2"],
  ]);
  feed.begin("E1");
  feed.progress("opening");
  expect(states()[0]).toEqual(["running", "opening"]);
  feed.end(ENDED);
  feed.begin("E2");
  expect(states()).toEqual([
    ["confirmed", "as predicted"],
    ["running", "claim of E2"],
  ]);
  expect(feed.read().now).toMatchObject({ phase: 1, notes: ["E2: title of E2."] });
  feed.end({ ...ENDED, verdict: "inconclusive", reason: "busy" });
  expect(states()[1]).toEqual(["inconclusive", "busy"]);
  expect(feed.read().now).toMatchObject({ phase: 2, notes: ["All experiments have ended."] });
});

it("sums over the clients, and keeps the counters of those that have exited", () => {
  const feed = new LabFeed(EXPERIMENTS);
  feed.client(1, client(3, 4));
  feed.client(2, client(5, 6));
  expect(figures(feed)).toMatchObject({ requested: 18, open: 8, established: 10, failed: 2, sent: 4, answered: 2 });
  feed.client(1, undefined);
  feed.client(1, undefined);
  expect(figures(feed)).toMatchObject({ requested: 9, open: 5, established: 10, failed: 2, sent: 4, answered: 2 });
});
