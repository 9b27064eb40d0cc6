// Reads code blocks and links in the project's pages.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./library.js";

/** Returns code blocks without their comments, which may be translated. */
export function commandsIn(markdown: string): string[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) =>
    [language, ...code!.split("\n").map((line) => line.replace(/ *(^|\s)#.*$/, "").trimEnd())].join("\n"),
  );
}

/**
 * Returns the targets of links within the project, without duplicates, in order of first
 * mention.
 */
export function linksIn(markdown: string): string[] {
  const targets = [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return [...new Set(targets.filter((target) => !/^[a-z]+:/.test(target)))];
}

/** Returns the project's pages: the README files and `docs/`. */
export function pages(): string[] {
  const inDocs = readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`);
  return [...readdirSync(ROOT), ...inDocs].filter((name) => name.endsWith(".md"));
}

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

/** Returns the links of a page that lead to a missing file or heading. */
export function deadLinks(page: string): string[] {
  return linksIn(readPage(page)).filter((link) => {
    const [path, anchor] = link.split("#");
    const target = path ? join(dirname(page), path) : page;
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !headingAnchors(readPage(target)).includes(anchor);
  });
}

function headingAnchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );
}
