// Tests that the output shown in the docs has the labels and table headers of the program's output.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../support/library.js";
import { pages, readPage } from "../support/markdown.js";

const OUTPUT = /^ *```(?:console)?\n([\s\S]*?)^ *```$/gm;
const sources = readdirSync(`${ROOT}src`, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => readFileSync(join(ROOT, "src", name), "utf8"));

/** Returns the rows of words in a page's output: the headers of tables, and the label of each other row. */
function labelsOf(page: string): string[][] {
  const lines = [...readPage(page).matchAll(OUTPUT)].flatMap(([, output]) => output!.split("\n"));
  const rows = lines.filter((line) => /^ {2}/.test(line)).map((line) => line.trim().split(/ {2,}/));
  return rows
    .filter((cells) => cells.length > 1)
    .map((cells) => (cells.length > 2 && cells.every(isWords) ? cells : cells.slice(0, 1)))
    .filter((cells) => cells.every(isWords));
}

/** Returns whether a cell has no figure. The name of a percentile is not one. */
function isWords(cell: string): boolean {
  return !/\d/.test(cell.replace(/^p\d+(\.\d)?$/, ""));
}

function isPrintedTogether(labels: readonly string[]): boolean {
  return sources.some((source) =>
    labels.every((label) => source.includes(`"${label}"`) || source.includes(` ${label}:`)),
  );
}

describe("the labels of output are those of the program", () => {
  const withOutput = pages().filter((page) => labelsOf(page).length > 0);

  it("several pages show output", () => {
    expect(withOutput).toEqual(expect.arrayContaining(["docs/doctor.md", "docs/why-not-65535.md"]));
  });

  it.each(withOutput)("%s", (page) => {
    expect(labelsOf(page).filter((labels) => !isPrintedTogether(labels))).toEqual([]);
  });
});
