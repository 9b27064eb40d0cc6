// Tests rows of data files: quotes, line ends, byte order marks, and that a large file is not loaded into memory.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { FAULT } from "../../../src/protocols/codes.js";
import { defineProtocol } from "../../../src/protocols/scripted/define.js";
import { indexRows } from "../../../src/protocols/scripted/file/row-index.js";
import { Rows } from "../../../src/protocols/scripted/file/rows.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { sideOf } from "../../support/scripted.js";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-rows-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function rowsOf(name: string, content: string | Buffer, { wraps = true, columns = [] as string[] } = {}) {
  const file = join(folder(), name);
  writeFileSync(file, content);
  const index = indexRows(file, columns);
  const rows = new Rows(index, wraps);
  onTestFinished(() => rows.close());
  return {
    rows,
    count: index.count,
    all: () => Array.from({ length: index.count }, (_, n) => ({ ...rows.of(n + 1) })),
  };
}

const CSV: [string, string, Record<string, string>[]][] = [
  [
    "plain",
    "a,b\n1,2\n3,4\n",
    [
      { a: "1", b: "2" },
      { a: "3", b: "4" },
    ],
  ],
  [
    "CRLF and no end",
    "a,b\r\n1,2\r\n3,4",
    [
      { a: "1", b: "2" },
      { a: "3", b: "4" },
    ],
  ],
  ["a byte order mark", "\ufeffa\n1\n", [{ a: "1" }]],
  ["quotes", 'a,b\n"x, ""y""\nz",2\n', [{ a: 'x, "y"\nz', b: "2" }]],
  ["quotes within a field", 'a\nx"y\n"z"\n', [{ a: 'x"y' }, { a: "z" }]],
  ["empty lines", "\n\na\n\n1\n\r\n\n2\n\n", [{ a: "1" }, { a: "2" }]],
  ["empty and missing fields", "a,b,c\n,x\n", [{ a: "", b: "x", c: "" }]],
  ["other scripts", "名,ü\n数,ö\n", [{ 名: "数", ü: "ö" }]],
];

it.each(CSV)("reads CSV with %s", (_, text, rows) => {
  expect(rowsOf("x.csv", text).all()).toEqual(rows);
});

it("reads back whatever fields were written", () => {
  const field = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r", "é", " ") });
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 20 }), (fields) => {
      const text = ["a,b", ...fields.map((row) => row.map(quoted).join(","))].join("\r\n");
      expect(rowsOf("x.csv", text).all()).toEqual(fields.map(([a, b]) => ({ a, b })));
    }),
    { numRuns: 30 },
  );
});

it("reads JSON lines, with other values as JSON", () => {
  expect(rowsOf("x.jsonl", '{"a":"x","n":1}\r\n\n{"a":"\\n","l":[1]}').all()).toEqual([
    { a: "x", n: "1" },
    { a: "\n", l: "[1]" },
  ]);
  expect(() => rowsOf("x.jsonl", '{"a":1}\n{2}').rows.of(2)).toThrow("row 2 of the data file");
});

it("uses rows again, or once", () => {
  const text = "a\n1\n2\n";
  expect([1, 2, 3, 4].map((number) => rowsOf("x.csv", text).rows.of(number)!.a)).toEqual(["1", "2", "1", "2"]);
  expect([1, 3].map((number) => rowsOf("x.csv", text, { wraps: false }).rows.of(number)?.a)).toEqual(["1", undefined]);
});

it("a column that the row lacks is an error, not undefined", () => {
  const { rows } = rowsOf("x.csv", "name,password\nanna,secret\n");
  expect(() => rows.of(1)!.nmae).toThrow("unknown column: nmae (the row has name, password)");
  expect("nmae" in rows.of(1)!).toBe(false);
});

it("a connection without a row fails with NO_DATA", () => {
  const host = new ProtocolHost();
  const definition = defineProtocol({ name: "x", data: ["a"], server: { opened: (c) => c.send(c.row.a) } });
  const { rows } = rowsOf("x.csv", "a\n1\n", { wraps: false });
  const { side } = sideOf(host, definition, { isServer: true, rows });
  for (const slot of [0, 1]) {
    host.opened(slot);
    side.opened(slot);
  }
  expect(host.said.map(({ sent, refusedWith }) => [sent, refusedWith])).toEqual([
    ["1", undefined],
    ["", FAULT.NO_DATA],
  ]);
});

it.each([
  ["x.csv", "", "is empty"],
  ["x.csv", "a\n", "has no rows"],
  ["x.csv", 'a\n1\n"2\n3\n', "has a quote in line 3 that is not closed"],
  ["x.csv", 'a\n1\n"2"3\n', "has text after a closing quote in line 3"],
  ["x.csv", 'a,b\n"1\n",2\n3,4,5\n', "has 3 of 2 fields in line 4"],
  ["x.csv", "a,b\n1,2\n3;4\n", "has 1 of 2 fields in line 3"],
  ["x.csv", "a,a\n1,2\n", 'has two columns "a"'],
  ["x.csv", "b\n1\n", 'has no column "a"; its first line has "b"'],
  ["x.csv", "\ufeffa".concat("\n"), "has no rows"],
  ["x.jsonl", '{"a":1}\n\n[2]\n', "has no JSON object in line 3"],
  ["x.txt", "a\n1\n", "has an unknown type"],
])("says what is wrong with %s: %j", (name, text, words) => {
  expect(() => rowsOf(name, text, { columns: ["a"] })).toThrow(words);
});

it.each([
  ["a;b\n1;2\n", "separate fields by commas"],
  ["a\rb\n1\n", "end lines with LF or CRLF"],
])("says how to mend the first line of %j", (text, fix) => {
  expect(() => rowsOf("x.csv", text, { columns: ["b"] })).toThrow(expect.objectContaining({ fix }));
});

it("refuses UTF-16, and what is not a regular file", () => {
  expect(() => rowsOf("x.csv", Buffer.from("\ufeffa\n1\n", "utf16le"))).toThrow("is in UTF-16");
  const directory = join(folder(), "x.csv");
  mkdirSync(directory);
  expect(() => indexRows(directory, [])).toThrow("is not a regular file");
});

// 10,000,000 rows take 10 s, so the usual run has fewer.
it("takes four bytes per row, however long the rows are", () => {
  const count = Number(process.env.DATA_ROWS ?? 200_000);
  const file = join(folder(), "many.csv");
  const fd = openSync(file, "w");
  writeSync(fd, "name,password\n");
  for (let row = 0; row < count; ) {
    const lines: string[] = [];
    for (; lines.length < 10_000 && row < count; row++) lines.push(`user-${row},"a long password, of user ${row}"\n`);
    writeSync(fd, lines.join(""));
  }
  closeSync(fd);
  const index = indexRows(file, ["name"]);
  expect(index.count).toBe(count);
  expect(index.places.byteLength + index.bases.byteLength).toBeLessThan(4.02 * count);
  const rows = new Rows(index, true);
  onTestFinished(() => rows.close());
  for (const row of [0, 1, 1023, 1024, 99_999, count - 1]) {
    expect({ ...rows.of(row + 1) }).toEqual({ name: `user-${row}`, password: `a long password, of user ${row}` });
  }
});
