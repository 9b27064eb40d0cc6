// Tests the text encoding of histograms against bytes written by the Java implementation of HdrHistogram (2.1.11).
import { deflateSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HIGHEST_US } from "../../../src/results/histogram/buckets.js";
import { decodeHistogram, encodeHistogram, isHistogram } from "../../../src/results/histogram/encoding.js";
import { Histogram } from "../../../src/results/histogram/histogram.js";

/** Output of encodeIntoCompressedByteBuffer() on a new Histogram(1, 3600000000L, 3), filled as below. */
const GOLDEN = {
  empty: "HISTFAAAAB94nJNpmSzMwMDAyAABzFAazL82eQmD/QeoCABVgwSI",
  one: "HISTFAAAACF4nJNpmSzMwMDAxAABzFCaEURcm7yEwf4DVIQJAFowBIs=",
  powers:
    "HISTFAAAAH14nJNpmSzMwMCwkAECmKE0I4i4NnkJg/0HqAgTG58cqx13nfg/RtN/zNn/2K8z/uPfyvxP/jXbP/vrvP/q//L/+8/4" +
    "G0gwg1jsIIIfRMiDCHsQAVbynxFMghVBVEGUQdRBFEJVQpVC1UIVQ1VDlf+3X8//CUj9rwMADzlqXA==",
  random:
    "HISTFAAAAvF4nD1TwWoUQRDteV3dwzAMw7IsQdYQliWEEEQk5BByCCGIiIiIiHjw7MGTnyAKfkAOHrz6B57FTxARPPkR/oG+etXJ" +
    "9k5Pd3XVq1evem5/uFqmVP6k+OX27nz6ffUlnf8Nww5mfOxwiMfYxTP86vCzAy7xGp86DNjSusVd3HPz94weJ/gMvMET7GEFnOMW" +
    "Chb41+F9hzV+dPgGe9fhFR0zgzONnmNL75cYMdH+CKOtscELJtjwlK8JT3GE53Tcc6BCz1085OYI+0x6C8d0WuEOcICErx1tl5ht" +
    "D0uu9vjskMRb+h4w38z3MccJ0TO5bhiSiLjlYKYtoXo8wClhRw4RyCpkohBepKxrLjY0JxQ7427i0cD9fc47JOOwC5XU8+SCb/dZ" +
    "cTfQfsZ5JOSpsh0ywouaud614mc2Mn7Ss6TdCSYcm8ASTfQiVeclnwsdFD4LaJkZkBl4iMldNzyjxU/2lYi0PbZw0TPGOfFflIgg" +
    "Nteeak0Sn0aves2F9VizO7MpTfHJ1UPRbcjqdi/w3gMHddk9XJwlJOIsTRyF261CicA+jVxRoUT4MyrgjV22gjPgtcsZvVVZVnTx" +
    "ZCtDk8//DjaShpOIbaqlkjqIloWWXL5kWdvCsaM7EoeOFV0fZDEGMlkjIpE8SPijZVHStif3Uej7OozHRrn3iCoSWi+LTvMNoyxV" +
    "1Mxcq+BSDNOpomw2sfLyzG0DtXJqJGeDpBgtyJhfJqEP0SLiFIuSVIv1ShJzcUjK5UFGWHOvmVCmC+BtnThcZTENav4zZzi38lVi" +
    "dv+1XZeFkK8VIzYThfNGKoMuYyuzmAUsdYv+JIvii4zF2I5VtRsXVWi+MInrQegreEEMNdPcW+uqptA+RydkdbWsAtUlEX7Sx2PX" +
    "BVSH5s6psvCaorHWACy4NULS3Fo9vcxjkIr6PCTbgh8XAVN1tQdY0ykupl9qQ7s/kAS5VSqPYiUKiLoqEPsasX6g7jlrknd1PPki" +
    "iHFaxp38D9UKNdM=",
} as const;

const FILLED: Readonly<Record<keyof typeof GOLDEN, () => Histogram>> = {
  empty: () => new Histogram(),
  one: () => {
    const histogram = new Histogram();
    histogram.record(1);
    return histogram;
  },
  powers: () => {
    const histogram = new Histogram();
    for (let i = 0, value = 1, times = 1; i < 40; i++) {
      histogram.record(value, times);
      value = Math.max(1, value * 2 - (i % 3));
      times = times * 2 + 1;
    }
    return histogram;
  },
  random: () => {
    const histogram = new Histogram();
    for (let i = 0, x = 12_345n; i < 1000; i++) {
      x = (x * 1_103_515_245n + 12_345n) % 2_147_483_648n;
      histogram.record(1 + (Number(x) % 50_000));
    }
    return histogram;
  },
};

/** Returns the non-empty buckets with their counts. */
function recorded({ counts }: Histogram): [bucket: number, count: number][] {
  return [...counts.entries()].filter(([, count]) => count !== 0);
}

const names = Object.keys(GOLDEN) as (keyof typeof GOLDEN)[];

/** Returns the uncompressed content of an encoded histogram: compressors differ, their content does not. */
function contentsOf(text: string): Buffer {
  return inflateSync(Buffer.from(text, "base64").subarray(8));
}

function compressed(plain: Buffer, claim = (length: number) => length): string {
  const data = deflateSync(plain);
  const header = Buffer.alloc(8);
  header.writeInt32BE(0x1c849314, 0);
  header.writeInt32BE(claim(data.length), 4);
  return Buffer.concat([header, data]).toString("base64");
}

describe("a histogram as text", () => {
  it.each(names)("matches the bytes that Java writes: %s", (name) => {
    expect(contentsOf(encodeHistogram(FILLED[name]()))).toEqual(contentsOf(GOLDEN[name]));
    expect(Buffer.from(encodeHistogram(FILLED[name]()), "base64").subarray(0, 4)).toEqual(
      Buffer.from(GOLDEN[name], "base64").subarray(0, 4),
    );
  });

  it.each(names)("decodes what Java writes: %s", (name) => {
    expect(recorded(decodeHistogram(GOLDEN[name]))).toEqual(recorded(FILLED[name]()));
  });

  it("has the same figures as in Java", () => {
    const random = decodeHistogram(GOLDEN.random);
    expect([random.count, random.min, random.max]).toEqual([1000, 12, 50_015]);
    expect(random.mean).toBeCloseTo(24_211.159, 6);
    expect(random.percentiles([50, 99, 99.9])).toEqual([24_319, 49_119, 49_919]);
  });

  it("survives a round trip", () => {
    const entry = fc.tuple(fc.integer({ min: 1, max: HIGHEST_US }), fc.integer({ min: 1, max: 2 ** 50 }));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 50 }), (entries) => {
        const histogram = new Histogram();
        for (const [us, times] of entries) histogram.record(us, times);
        expect(recorded(decodeHistogram(encodeHistogram(histogram)))).toEqual(recorded(histogram));
      }),
      { numRuns: 50 },
    );
  });
});

describe("an invalid histogram", () => {
  const plain = contentsOf(GOLDEN.one);
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(plain);
    copy.writeInt32BE(value, at);
    return compressed(copy);
  };
  const withPayload = (...payload: number[]) => {
    const copy = Buffer.concat([plain.subarray(0, 40), Buffer.from(payload)]);
    copy.writeInt32BE(payload.length, 4);
    return compressed(copy);
  };

  it.each([
    ["nothing", ""],
    ["some text", "what is this"],
    ["another cookie", GOLDEN.one.replace("HISTFAAAA", "HISTFBAAA")],
    ["a wrong length", compressed(plain, (length) => length + 1)],
    ["truncated data", GOLDEN.random.slice(0, 400)],
    [
      "uncompressed data",
      Buffer.concat([Buffer.from([0x1c, 0x84, 0x93, 0x14, 0, 0, 0, 42]), plain]).toString("base64"),
    ],
    ["a truncated header", compressed(plain.subarray(0, 30))],
    ["another inner cookie", changed(0, 0x1c849303)],
    ["another inner length", changed(4, 3)],
    ["shifted buckets", changed(8, 1)],
    ["two digits of precision", changed(12, 2)],
    ["another unit", changed(20, 1000)],
    ["another scale", changed(32, 0)],
    ["an endless count", withPayload(0x80, 0x80)],
    ["an excessive count", withPayload(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)],
    ["zeros beyond the last bucket", withPayload(0xff, 0xff, 0x7f)],
    ["a count beyond the last bucket", withPayload(0xff, 0xef, 0x02, 2)],
    ["gigabytes", compressed(Buffer.concat([plain, Buffer.alloc(1 << 24)]))],
  ])("is rejected: %s", (_, text) => {
    expect(() => decodeHistogram(text)).toThrow(/cannot be read/);
    expect(isHistogram(text)).toBe(false);
  });

  it("is never accepted, whatever its bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (payload) => {
        try {
          const { counts } = decodeHistogram(withPayload(...payload));
          expect(counts.every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
        } catch (error) {
          expect((error as Error).message).toMatch(/cannot be read/);
        }
      }),
    );
  });
});
