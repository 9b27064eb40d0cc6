// Tests the labels of moments above the charts over time.
import { expect, it } from "vitest";
import { momentsOf } from "../../../dist/lab/observe/timeline.js";
import type { ConnectResult } from "../../../dist/results/connect.js";

it.each([
  [{ setupMs: 100, rampMs: 200, holdMs: 10_000, closeMs: 50 }, ["ramp done", "closing"]],
  [{ setupMs: 284, rampMs: 37, holdMs: 18, closeMs: 230 }, ["ramp done"]],
  [{ setupMs: 284, rampMs: 37, holdMs: 45, closeMs: 230 }, ["ramp done"]],
])("overlapping labels are omitted: %j", (times, names) => {
  expect(momentsOf(times as ConnectResult).map(({ name }) => name)).toEqual(names);
});
