// Runs the fast tests (`npm run test:unit`): those that only import src/, and so need no build, no root and no other
// program.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defineConfig } from "vitest/config";

/** Imports, direct or through a helper, that show that a test needs more than src/. */
const NEEDS_MORE =
  /["'](?:[./]*\/dist\/|node:child_process|node:worker_threads|node:net|node:dgram|playwright-core)|\}dist\//;
/** These render thousands of pages, fill millions of slots, or merge thousands of results. */
const SLOW = [
  "test/output/html/extremes.test.ts",
  "test/output/html/report.test.ts",
  "test/protocols/http/contract.test.ts",
  "test/protocols/mqtt/contract.test.ts",
  "test/protocols/websocket/contract.test.ts",
  "test/results/merge/merge.test.ts",
];

export default defineConfig({
  test: {
    include: testFiles().filter((file) => !SLOW.includes(file) && !needsMore(file)),
    pool: "threads",
    // The tests are pure, so modules are loaded once for all of them.
    isolate: false,
    testTimeout: 60_000,
  },
});

function testFiles(): string[] {
  const files = readdirSync("test", { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file));
}

function needsMore(file: string, seen = new Set<string>()): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  if (NEEDS_MORE.test(text)) return true;
  const helpers = [...text.matchAll(/from "(\.[^"]+)\.js"/g)].map(([, path]) => join(dirname(file), `${path}.ts`));
  return helpers.filter((helper) => helper.startsWith("test/")).some((helper) => needsMore(helper, seen));
}
