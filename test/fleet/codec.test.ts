// Tests the encoding of messages and stored values: compressed when long, and bounded in length on both ends.
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { decode, encode, LONGEST } from "../../src/fleet/codec.js";

it("what is encoded is decoded, and long values are compressed", () => {
  for (const value of [{}, { text: "ä".repeat(100) }, { text: "ä".repeat(100_000) }])
    expect(decode(encode(value))).toEqual(value);
  expect(encode({ text: "x".repeat(100_000) }).length).toBeLessThan(1000);
});

it("a value that nobody would decode is refused, and one that claims to be short is not decoded", () => {
  expect(() => encode({ text: "x".repeat(LONGEST) })).toThrow(/^a message of 64.* is longer than agents read \(64/);
  const bomb = gzipSync(Buffer.alloc(LONGEST + 1, " "));
  expect(bomb.length).toBeLessThan(100_000);
  expect(decode(bomb)).toBeUndefined();
  expect(decode(Buffer.from("{"))).toBeUndefined();
  expect(decode(Buffer.from([0x1f, 0x8b, 0]))).toBeUndefined();
});
