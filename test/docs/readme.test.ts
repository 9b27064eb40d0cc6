// Tests that the two READMEs have the same content and that no page has a dead link.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../support/library.js";
import { commandsIn, deadLinks, linksIn, pages, readPage } from "../support/markdown.js";

const english = readPage("README.md");
const chinese = readPage("README.zh-CN.md");

describe("README.md and README.zh-CN.md", () => {
  it("have the same code blocks, apart from comments", () => {
    expect(commandsIn(english)).not.toEqual([]);
    expect(commandsIn(chinese)).toEqual(commandsIn(english));
  });

  it("link to each other at the top, and to the same pages", () => {
    expect(linksIn(english)[0]).toBe("README.zh-CN.md");
    expect(linksIn(chinese)[0]).toBe("README.md");
    expect(linksIn(chinese).slice(1)).toEqual(linksIn(english).slice(1));
  });
});

it.each(pages())("%s has no dead link", (page) => {
  expect(deadLinks(page)).toEqual([]);
});

it.each(pages())("%s writes percentages without a space", (page) => {
  // Output in code blocks is quoted, even from older versions.
  const prose = readPage(page).replace(/^ *```[\s\S]*?^ *```$/gm, "");
  expect(prose.match(/.{0,20}\d %.{0,20}/g) ?? []).toEqual([]);
});

it("CONTRIBUTING.md names only files that exist", () => {
  const paths = [...readPage("CONTRIBUTING.md").matchAll(/`((?:src|test|docs|\.ci)\/[\w./-]+)`/g)].map(
    ([, path]) => path!,
  );
  expect(paths.length).toBeGreaterThan(20);
  expect(paths.filter((path) => !existsSync(join(ROOT, path)) && path !== "docs/api/")).toEqual([]);
});

describe("code blocks are compared", () => {
  const block = (code: string) => commandsIn(`text\n\n\`\`\`sh\n${code}\n\`\`\`\n`);

  it("without comments and alignment", () => {
    expect(block("a b   # one\n# alone\nc")).toEqual(block("a b # 一\n# 独\nc"));
  });

  it("with everything else", () => {
    expect(block("a -c 10k # one")).not.toEqual(block("a -c 100k # one"));
    expect(block("a 'x#y'")).toEqual(["sh\na 'x#y'\n"]);
  });
});
