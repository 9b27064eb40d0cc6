// Tests wrapping to the terminal's width: no line is too long, no character is lost, and labels remain intact.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { columnsOf, fitText, widthOf } from "../../../src/output/terminal/columns.js";
import { alignFigures } from "../../../src/output/terminal/table.js";

const LONG_ENDPOINT = "[2001:db8:85a3:1111:2222:8a2e:3370:7334]:65535";

function widest(text: string): number {
  return Math.max(...text.split("\n").map(widthOf));
}

describe("fitText()", () => {
  it("leaves fitting text unchanged, and all text outside a terminal", () => {
    const text = `  label   text\n${"long ".repeat(50)}`;
    expect(fitText(text, undefined)).toBe(text);
    expect(fitText(text, 1000)).toBe(text);
    expect(columnsOf({ isTTY: true, columns: 97 })).toBe(97);
    // A pipe has no width, whatever COLUMNS is.
    expect(columnsOf({ columns: 97 })).toBeUndefined();
  });

  it("continues below the text of a label", () => {
    expect(fitText("  kernel's count  300 ESTABLISHED to port 7777 and 300 from it", 40)).toBe(
      ["  kernel's count  300 ESTABLISHED to", "                  port 7777 and 300 from", "                  it"].join(
        "\n",
      ),
    );
  });

  it("starts the text of a long label on a new line", () => {
    expect(fitText("  --connect-timeout <duration>  give up on a handshake (default: 10s)", 40)).toBe(
      ["  --connect-timeout <duration>", "      give up on a handshake (default:", "      10s)"].join("\n"),
    );
  });

  it("keeps a note's lines together", () => {
    expect(fitText("note: the backlog is 128, not 4,096: capped by net.core.somaxconn", 40)).toBe(
      ["note: the backlog is 128, not 4,096:", "  capped by net.core.somaxconn"].join("\n"),
    );
  });

  it("breaks a word longer than a line where possible", () => {
    const lines = fitText(`to ${LONG_ENDPOINT}`, 30).split("\n");
    expect(lines.map((line) => line.trim()).join("")).toBe(`to ${LONG_ENDPOINT}`);
    expect(widest(lines.join("\n"))).toBeLessThanOrEqual(30);
    expect(lines[0]!.endsWith(":")).toBe(true);
  });

  it("keeps a figure with its unit", () => {
    for (let columns = 12; columns < 60; columns++) {
      const lines = fitText("p50 289 µs, p90 6.51 ms, p99 10.3 ms, 48 B sent, 1.46 KiB received, 80 % taken", columns);
      expect(lines).not.toMatch(/\d\n(µs|ms|B|KiB|%)/);
    }
  });

  it("ignores colours when counting, and keeps them", () => {
    const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
    const text = `  ${red("limit")}  ${red("source ports")}, on this side`;
    expect(fitText(text, 36)).toBe(text);
    const broken = fitText(text, 20);
    expect(widest(broken)).toBeLessThanOrEqual(20);
    expect(broken.split("\u001b[31m")).toHaveLength(3);
  });

  it("counts wide characters as two columns", () => {
    expect(widthOf("数据库")).toBe(6);
    expect(widest(fitText("进程".repeat(30), 21))).toBeLessThanOrEqual(21);
  });

  it("makes no line longer than requested, and keeps every character in order", () => {
    const word = fc.oneof(
      fc.stringMatching(/^[a-z0-9:/,.[\]→µ-]{1,60}$/),
      fc.constantFrom("  ", "   ", "10 ms", "\u001b[1mx\u001b[22m"),
    );
    const line = fc
      .tuple(fc.nat(30), fc.array(word, { maxLength: 20 }))
      .map(([indent, words]) => " ".repeat(indent) + words.join(" "));
    const property = fc.property(
      fc.array(line, { maxLength: 5 }),
      fc.integer({ min: 8, max: 120 }),
      (lines, columns) => {
        const text = lines.join("\n");
        const fitted = fitText(text, columns);
        const letters = (of: string) => of.replace(/\s/g, "");
        expect(widest(fitted)).toBeLessThanOrEqual(Math.max(columns, 0));
        expect(letters(fitted)).toBe(letters(text));
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

describe("alignFigures()", () => {
  const rows = [
    ["source → destination", "taken", "of"],
    [`::1 → ${LONG_ENDPOINT}`, "28,000", "28,232"],
    ["a", "1", "2"],
  ];

  it("lists each row of a table that is too wide as words", () => {
    expect(alignFigures(rows, "  ", 40)).toEqual([
      "  source → destination",
      `  ::1 → ${LONG_ENDPOINT}\n    taken 28,000, of 28,232`,
      "  a\n    taken 1, of 2",
    ]);
    expect(alignFigures(rows, "  ", 200)).toEqual(alignFigures(rows, "  "));
  });
});
