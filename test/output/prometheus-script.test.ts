// Tests the Prometheus names of the metrics that a user-defined protocol declares.
import { expect, it } from "vitest";
import { scriptFamilies } from "../../src/output/prometheus/script.js";

it.each([
  ["joined", "joined"],
  ["joinedTotal", "joined"],
  ["joined_total", "joined"],
  ["total", "total"],
])("a counter named %s ends in _total once", (name, stem) => {
  const script = { phases: [], metrics: [{ name, type: "counter" as const, help: "x", value: 1 }], errors: 0 };
  const names = scriptFamilies(script).map((family) => family.name);
  expect(names.filter((each) => each.endsWith(`_${stem}`))).toHaveLength(1);
  expect(names.some((each) => each.endsWith("_total_total") || each.endsWith("joined_total"))).toBe(false);
});
