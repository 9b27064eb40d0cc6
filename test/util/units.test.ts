import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppError } from "../../src/util/errors.js";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatEstimate,
  formatRate,
  parseCount,
  parseDuration,
  parseRate,
  parseSize,
  plural,
} from "../../src/util/units.js";

/** Returns the AppError, with a code and a fix, that `act` throws; the test fails if it throws none. */
function refusal(act: () => unknown): AppError {
  try {
    const value = act();
    throw new Error(`nothing was thrown, but ${String(value)} returned`);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.fix).toBeTruthy();
    return error;
  }
}

describe("parseCount", () => {
  it.each([
    ["1", 1],
    ["250", 250],
    ["10k", 10_000],
    ["10K", 10_000],
    ["1.5m", 1_500_000],
    [".5k", 500],
    ["1m", 1_000_000],
    ["2g", 2_000_000_000],
    [" 7 ", 7],
    ["007", 7],
    ["0.001k", 1],
    ["1.001k", 1001],
    ["2147483647", 2 ** 31 - 1],
  ])("%j is %d", (text, count) => {
    expect(parseCount(text)).toBe(count);
  });

  it.each([
    "",
    " ",
    "0",
    "-1",
    "+1",
    "1e99",
    "1e3",
    "1.5",
    "0.0001k",
    "10kk",
    "k",
    "10 000",
    "10,000",
    "1_000",
    "0x10",
    "ten",
    "∞",
    "NaN",
    "Infinity",
    "2147483648",
    "99999999999999999999999g",
    "10kb",
    "1.",
    "1..5",
    "٣",
  ])("rejects %j", (text) => {
    expect(refusal(() => parseCount(text, "connections"))).toMatchObject({ code: "E_OPTION" });
    expect(refusal(() => parseCount(text, "connections")).message).toContain("connections");
  });

  it("names the accepted counts if one is out of range", () => {
    expect(refusal(() => parseCount("0", "connections")).fix).toBe("use a whole number from 1 to 2,147,483,647");
    expect(refusal(() => parseCount("11", "hosts", 2, 10)).fix).toBe("use a whole number from 2 to 10");
    expect(parseCount("0", "retries", 0)).toBe(0);
  });

  it("parses what was formatted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (count) => {
        expect(parseCount(String(count))).toBe(count);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_147_483 }), (thousands) => {
        expect(parseCount(`${thousands}k`)).toBe(thousands * 1000);
        expect(parseCount(`${thousands / 1000}m`)).toBe(thousands * 1000);
      }),
    );
  });
});

describe("parseRate", () => {
  it.each([
    ["0.033", 0.033],
    ["500", 500],
    ["10k", 10_000],
    ["0.5k", 500],
    ["1g", 1e9],
  ])("%j is %d a second", (text, rate) => {
    expect(parseRate(text)).toBeCloseTo(rate, 9);
  });

  it.each(["0", "0.0", "-1", "1e99", "", "fast", "2g", "10/s", "5s"])("rejects %j", (text) => {
    expect(refusal(() => parseRate(text, "connect rate"))).toMatchObject({ code: "E_OPTION" });
  });
});

describe("parseDuration", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["30", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["0.5s", 500],
    ["1.5H", 5_400_000],
    ["1m30s", 90_000],
    ["1h 5s", 3_605_000],
    ["2h3m4.5s", 7_384_500],
    ["1s500ms", 1500],
    ["1m500ms", 60_500],
    ["0", 0],
  ])("%j is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBeCloseTo(ms, 6);
  });

  it.each(["", "-1s", "1e99", "1d", "30s1m", "1m1m", "1m30", "s", "10000h", "forever"])("rejects %j", (text) => {
    expect(refusal(() => parseDuration(text, "hold"))).toMatchObject({ code: "E_OPTION" });
  });
});

describe("parseSize", () => {
  it.each([
    ["512", 512],
    ["64KiB", 65_536],
    ["64KB", 64_000],
    ["1MiB", 1_048_576],
    ["2mb", 2_000_000],
    ["1GiB", 2 ** 30],
    ["1.5KiB", 1536],
    ["10B", 10],
    ["0", 0],
  ])("%j is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(["", "-1", "1e99", "1TiB", "k", "99999999999GiB"])("rejects %j", (text) => {
    expect(refusal(() => parseSize(text))).toMatchObject({ code: "E_OPTION" });
  });
});

describe("every parser", () => {
  it("returns a finite number that is not negative, or throws E_OPTION, whatever it is given", () => {
    const parsers = [parseCount, parseRate, parseDuration, parseSize];
    const likely = fc
      .tuple(
        fc.constantFrom("", "1", "10", "0.5", "-3", "1e9"),
        fc.constantFrom("", "k", "ms", "KiB", "s", "x", " m", "%"),
      )
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(fc.string(), likely), (text) => {
        for (const parse of parsers) {
          try {
            const value = parse(text);
            expect(Number.isFinite(value) && value >= 0, `${parse.name}(${JSON.stringify(text)}) is ${value}`).toBe(
              true,
            );
          } catch (error) {
            expect(error).toMatchObject({ code: "E_OPTION" });
          }
        }
      }),
    );
  });

  it("accepts no unit that is only a property of objects: 5constructor", () => {
    for (const parse of [parseCount, parseRate, parseDuration, parseSize]) {
      expect(refusal(() => parse("5constructor"))).toMatchObject({ code: "E_OPTION" });
    }
  });
});

describe("formatters", () => {
  it("format counts with separators", () => {
    expect(formatCount(1_000_000)).toBe("1,000,000");
    expect(formatCount(0)).toBe("0");
    expect(formatCount(999.6)).toBe("1,000");
  });

  it("format bytes in binary units with three digits", () => {
    expect([0, 512, 1023, 1024, 6946, 350 * 1024, 2 ** 30, 2 ** 44].map(formatBytes)).toEqual([
      "0 B",
      "512 B",
      "1023 B",
      "1.00 KiB",
      "6.78 KiB",
      "350 KiB",
      "1.00 GiB",
      "16.0 TiB",
    ]);
    expect(formatBytes(-2048)).toBe("-2.00 KiB");
    expect(formatBytes(-512 * 1024)).toBe("-512 KiB");
  });

  it("format durations as people write them", () => {
    expect(
      [0, 0.85, 12.34, 999, 7100, 30_000, 30_000.4, 59_900, 60_000, 125_000, 3_600_000, 3_725_000].map(formatDuration),
    ).toEqual([
      "0 µs",
      "850 µs",
      "12.3 ms",
      "999 ms",
      "7.10 s",
      "30 s",
      "30.0 s",
      "59.9 s",
      "1m 00s",
      "2m 05s",
      "1h 00m 00s",
      "1h 02m 05s",
    ]);
  });

  it("round minutes without showing 60 seconds", () => {
    fc.assert(
      fc.property(fc.double({ min: 60e3, max: 1e9, noNaN: true }), (ms) => {
        expect(formatDuration(ms)).toMatch(/^(\d+h [0-5]\d|[0-5]?\d)m [0-5]\ds$/);
      }),
    );
  });

  it("move to the next unit if rounding fills one: 999.9 ms is 1.00 s, not 1000 ms", () => {
    expect(formatDuration(0.9999)).toBe("1.00 ms");
    expect(formatDuration(999.9)).toBe("1.00 s");
    expect(formatDuration(59_999)).toBe("1m 00s");
    expect(formatBytes(1024 * 1023.9)).toBe("1.00 MiB");
  });

  it("format estimates with two digits", () => {
    expect([0.5, 12.34, 996, 1651, 28_412, 59_499, 59_500, 125_000].map(formatEstimate)).toEqual([
      "500 µs",
      "12 ms",
      "1 s",
      "1.7 s",
      "28 s",
      "59 s",
      "1m 00s",
      "2m 05s",
    ]);
  });

  it("format counts with nouns", () => {
    expect(plural(1, "connection")).toBe("1 connection");
    expect(plural(0, "connection")).toBe("0 connections");
    expect(plural(1500, "address", "addresses")).toBe("1,500 addresses");
  });
});

describe("exact durations", () => {
  it.each([
    ["12h", 43_200_000],
    ["12h 30m", 45_000_000],
    [" 12h30m1.25s25ms ", 45_001_275],
    ["8784h", 366 * 86_400_000],
    [".25", 250],
    ["1.25s", 1250],
  ])("%j is %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(["8784h 1ms", "  ", "1m 1", "x1h", "1hx", "1s 1h"])("%j is not a duration", (text) => {
    expect(refusal(() => parseDuration(text)).code).toBe("E_OPTION");
  });

  it("have decimals if the unit makes them necessary", () => {
    expect(parseCount("1.234k")).toBe(1234);
    expect(parseCount(".123k")).toBe(123);
    expect(parseSize(".125KiB")).toBe(128);
  });
});

describe("at the boundary between units", () => {
  it.each([
    [0.99949, "999 µs"],
    [0.9995, "1.00 ms"],
    [10, "10 ms"],
    [10.01, "10.0 ms"],
    [100, "100 ms"],
    [999.4, "999 ms"],
    [999.5, "1.00 s"],
    [59_949, "59.9 s"],
    [59_950, "1m 00s"],
  ])("%d ms are %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it.each([
    [1023.4, "1023 B"],
    [1023.5, "1.00 KiB"],
    [1023.5 * 1024, "1.00 MiB"],
    [5000 * 1024 ** 4, "5000 TiB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0.04, "0"],
    [4.74, "4.7"],
    [9.96, "10"],
    [10.4, "10"],
    [10, "10"],
    [28_231.6, "28,232"],
  ])("%d a second are %s", (perSec, text) => {
    expect(formatRate(perSec)).toBe(text);
  });
});
