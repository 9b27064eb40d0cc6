// Tests how text from other programs is escaped for a terminal, an HTML page and JSON.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  printable,
  printableData,
  printableExcept,
  printableJson,
  quoted,
  shortened,
  visible,
} from "../../src/util/printable.js";

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;
const ANY_TEXT = fc.string({ unit: "binary" });

describe("foreign text", () => {
  it("keeps line breaks on request, and no other control characters", () => {
    expect(printableExcept("a\nb\x1b\nc", (character) => character === "\n")).toBe("a\nb?\nc");
    expect(printableExcept("a\nb\x1bc", (character) => character === "\n", "")).toBe("a\nbc");
  });

  it("is replaced in every value and key of plain data, and nowhere else", () => {
    const bytes = Uint8Array.of(27);
    expect(printableData({ "k\x1b": ["v\x1b", { deep: "\u202e" }], n: 1, none: null, yes: true, bytes })).toEqual({
      "k?": ["v?", { deep: "?" }],
      n: 1,
      none: null,
      yes: true,
      bytes,
    });
    const date = new Date();
    expect(printableData(date)).toBe(date);
    expect(printableData(undefined)).toBeUndefined();
  });

  it("is shown with escapes as in source code", () => {
    expect(visible("+OK\r\n\t\x1b[m\u202e\x00")).toBe("+OK\\r\\n\\t\\x1b[m\\u{202e}\\u{0}");
  });

  it("has the same value as JSON, in visible characters only", () => {
    expect(printableJson({ a: "\x7f\u202e" })).toBe('{"a":"\\u007f\\u202e"}');
    // A format character outside the BMP takes two escapes.
    expect(printableJson("\u{e0001}")).toBe('"\\udb40\\udc01"');
    fc.assert(
      fc.property(fc.array(fc.tuple(ANY_TEXT, ANY_TEXT)), (fields) => {
        const value = Object.fromEntries(fields);
        const json = printableJson(value);
        expect(json).not.toMatch(HIDDEN);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("has no hidden characters left, and keeps its length", () => {
    fc.assert(
      fc.property(ANY_TEXT, (text) => {
        expect(printable(text)).not.toMatch(HIDDEN);
        expect(visible(text)).not.toMatch(HIDDEN);
        expect([...printable(text)]).toHaveLength([...text].length);
      }),
    );
  });
});

describe("a long argument", () => {
  it("is unchanged up to the limit, and shortened in the middle beyond it", () => {
    const text = "0123456789".repeat(8);
    expect(shortened(text)).toBe(text);
    const cut = shortened(`${text}x`);
    expect(cut).toBe(`${text.slice(0, 53)}…${text.slice(-25)}x`);
    expect(cut).toHaveLength(80);
    expect(shortened("abcdefghijkl", 9)).toBe("abcde…jkl");
  });

  it("is quoted, shortened and printable", () => {
    expect(quoted("1\x1b0k")).toBe('"1?0k"');
    expect(quoted("x".repeat(1000))).toHaveLength(82);
  });
});
