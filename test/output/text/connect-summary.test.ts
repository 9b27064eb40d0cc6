// Tests the memory line of a run's summary: the value with its error, or that it is unknown.
import { expect, it } from "vitest";
import { explained } from "../../../src/diagnosis/explain.js";
import { connectSummary } from "../../../src/output/text/connect-summary.js";
import { connectResult } from "../../support/results.js";

const lineOf = (kernelBytesPerConnection: number, kernelErrorPerConnection?: number) => {
  const memory = {
    userBytesPerConnection: 90,
    kernelBytesPerConnection,
    kernelErrorPerConnection,
    kernelEnds: "one",
  } as const;
  const result = connectResult({ requested: 20_000, established: 20_000, isTargetMet: true, memory });
  const text = connectSummary(explained(result));
  return /^ *kernel memory +(.*)$/m.exec(text)?.[1];
};

it("the kernel memory per connection is given with its error", () => {
  expect(lineOf(4096, 120)).toBe("4.00 KiB ± 120 B per connection (this end)");
  // A result of an older version has no error.
  expect(lineOf(4096)).toBe("4.00 KiB per connection (this end)");
});

it.each([
  ["more than its value", 4096, 3000],
  ["a negative amount", -500, 100],
])("a value that other programs changed by %s is not measurable", (_, bytes, error) => {
  expect(lineOf(bytes, error)).toMatch(
    /^not measurable: other programs' memory use changed during the run \(-?[\d.]+ \w+ ± /,
  );
});
