// Tests the uncertainty of the kernel memory per connection, from readings of the whole host's memory.
import { describe, expect, it } from "vitest";
import { isMeasurable, MemoryFit } from "../../../src/client/ramp/memory-fit.js";

const EACH = 8000;
const GIB = 2 ** 30;

/** Runs a ramp to 100,000 in 2 s, then a hold of 2 s; `noise` returns the bytes that other programs add at a time. */
function run(noise: (ms: number) => number): number | undefined {
  const fit = new MemoryFit();
  for (let ms = 0; ms <= 2000; ms += 50) fit.grown(50 * ms, 4 * GIB + EACH * 50 * ms + noise(ms));
  for (let ms = 2000; ms <= 4000; ms += 250) fit.held(ms, 4 * GIB + EACH * 100_000 + noise(ms));
  return fit.errorPerConnection(100_000, 2000);
}

describe("the memory per connection", () => {
  it("is nearly exact if no other program takes memory, although the total is gigabytes", () => {
    expect(run(() => 0)).toBeLessThan(1);
  });

  it("is uncertain by the jumps in other programs' memory during the ramp", () => {
    const error = run((ms) => (Math.floor(ms / 50) % 2) * 100 * 2 ** 20)!;
    expect(error).toBeGreaterThan(100);
    expect(isMeasurable(EACH, error)).toBe(true);
  });

  it("is uncertain by what other programs take during the hold, when the run's own use does not change", () => {
    // Linear noise that adds up to 5,000 bytes per connection over the ramp.
    const error = run((ms) => ms * 250_000)!;
    expect(error).toBeGreaterThan(4900);
    expect(isMeasurable(EACH + 5000, error)).toBe(true);
    expect(isMeasurable(EACH, error)).toBe(false);
  });

  it("is not reported from too few readings, or if it is negative", () => {
    const fit = new MemoryFit();
    for (const connections of [0, 10_000, 20_000]) fit.grown(connections, connections * EACH);
    expect(fit.errorPerConnection(20_000, 100)).toBeUndefined();
    expect(isMeasurable(EACH, undefined)).toBe(true);
    expect(isMeasurable(-5, 1)).toBe(false);
  });
});
