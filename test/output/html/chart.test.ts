// Tests the parts of a chart: ticks at round values, correct positions, and escaped text in the SVG.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bars, line } from "../../../src/output/html/chart/marks.js";
import { linear, logarithmic } from "../../../src/output/html/chart/projection.js";
import { formatPowerOfTen } from "../../../src/output/html/chart/scale.js";
import { textElement } from "../../../src/output/html/chart/svg.js";

const RANGE = [0, 100] as const;
const textsOf = ({ ticks }: { ticks: readonly { text: string }[] }) => ticks.map(({ text }) => text);

describe("a linear axis", () => {
  it.each([
    [[0, 100], 5, ["0", "20", "40", "60", "80", "100"]],
    [[0, 0.7], 8, ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]],
    [[0, 9.7], 5, ["0", "2", "4", "6", "8", "10"]],
    [[-3, 4], 4, ["-4", "-2", "0", "2", "4"]],
    [[0, 1], 1, ["0", "1"]],
    [[0, 120_000], 2, ["0", "50,000", "100,000", "150,000"]],
  ] as const)("from %j in %i steps ends at ticks: %j", (domain, steps, texts) => {
    const axis = linear(domain, RANGE, { steps, isNice: true });
    expect(textsOf(axis)).toEqual(texts);
    expect([axis.ticks[0]!.at, axis.ticks.at(-1)!.at]).toEqual(RANGE);
  });

  it("can end at its values instead of ticks", () => {
    const axis = linear([1.5, 9.5], RANGE, { steps: 4, isNice: false });
    expect([axis.at(1.5), axis.at(5.5), axis.at(9.5)]).toEqual([0, 50, 100]);
    expect(textsOf(axis)).toEqual(["2", "4", "6", "8"]);
  });

  it("of one value has it in the middle", () => {
    expect(linear([7, 7], RANGE, { steps: 5, isNice: true }).at(7)).toBe(50);
  });

  it("of large values that hardly differ has few ticks", () => {
    const axis = linear([2e14, 2e14 + 0.25], RANGE, { steps: 7, isNice: true });
    expect(axis.ticks.length).toBeLessThan(10);
  });

  it("has a few ticks in order, and every value between its ends", () => {
    const values = fc.tuple(
      fc.double({ min: -1e15, max: 1e15, noNaN: true }),
      fc.double({ min: 1e-9, max: 1e15, noNaN: true }),
    );
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 8 }), ([from, span], steps) => {
        const domain = [from, from + span] as const;
        fc.pre(domain[1] > domain[0]);
        const axis = linear(domain, RANGE, { steps, isNice: true });
        const places = axis.ticks.map(({ at }) => at);
        expect(places.length).toBeLessThanOrEqual(2 * steps + 3);
        expect(places.toSorted((a, b) => a - b)).toEqual(places);
        for (const value of domain) {
          expect(axis.at(value)).toBeGreaterThan(-0.1);
          expect(axis.at(value)).toBeLessThan(100.1);
        }
      }),
    );
  });
});

describe("a log axis", () => {
  it("has the same length for each power of ten", () => {
    const axis = logarithmic([1, 1000], [0, 30], [1, 10, 100, 1000], formatPowerOfTen);
    expect(axis.ticks.map(({ at, text }) => [Math.round(at), text])).toEqual([
      [0, "1"],
      [10, "10"],
      [20, "100"],
      [30, "1k"],
    ]);
  });

  it("labels powers of ten with prefixes", () => {
    const powers = [0.1, 1, 1e3, 1e5, 1e6, 1e7, 1e9, 1e15, 1e18];
    expect(powers.map(formatPowerOfTen)).toEqual([
      "0.1",
      "1",
      "1k",
      "100k",
      "1M",
      "10M",
      "1G",
      "1P",
      "1000000000000000000",
    ]);
  });
});

describe("marks", () => {
  it("hold each value until the next if stepped", () => {
    const points = [
      [0, 9],
      [1, 5],
      [2, 7.123],
    ] as const;
    expect(line(points, "red", 2)).toContain('d="M0,9L1,5L2,7.12"');
    expect(line(points, "red", 2, true)).toContain('d="M0,9L1,9L1,5L2,5L2,7.12"');
  });

  it("are empty without values", () => {
    expect(line([], "red", 2)).toBe("");
    expect(bars([], "red")).toBe("");
  });

  it("never contain text as markup", () => {
    expect(textElement("text", { class: 'a"b' }, "<b>&")).toBe('<text class="a&#34;b">&#60;b&#62;&#38;</text>');
  });
});
