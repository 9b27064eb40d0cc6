// Tests the architecture: modules form levels, imports only go downwards, system access is in one module, no folder is
// too large, and docs/architecture.md says so.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ENTRIES } from "../src/util/program/entries.js";
import {
  entriesOf,
  findFullFolders,
  findPlaces,
  findViolations,
  importsOf,
  type Layers,
  levelsIn,
  pathsIn,
} from "./support/architecture.js";

const ROOT = new URL("../", import.meta.url).pathname;
const SOURCES = `${ROOT}src/`;
/** A folder with more files than this no longer has a single topic. */
const MOST_FILES = 16;

const LAYERS: Layers = {
  levels: [
    ["util"],
    ["results"],
    ["linux", "protocols"],
    ["socket-table"],
    ["planning", "transport"],
    ["engine"],
    ["client", "server"],
    ["capacity"],
    ["diagnosis", "tuning"],
    ["lab", "fleet"],
    ["output"],
    ["cli", "index.ts"],
  ],
  reserved: {
    koffi: ["linux"],
    tinyexec: ["util"],
    "@nats-io/transport-node": ["fleet"],
    "@nats-io/kv": ["fleet"],
    "node:net": [],
    net: [],
    "node:tls": [],
    tls: [],
  },
  entries: ENTRIES,
  place: "util/program/",
};

function readSources(): Record<string, string> {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(SOURCES, file), "utf8")]));
}

describe("src/", () => {
  const sources = readSources();

  it("contains files, and the checker sees their imports", () => {
    expect(Object.keys(sources).length).toBeGreaterThan(40);
    expect(importsOf(sources["linux/syscalls/libc.ts"]!)).toEqual(expect.arrayContaining(["koffi", "./platform.js"]));
    expect(importsOf(sources["index.ts"]!)).toEqual(
      expect.arrayContaining(["./client/connect.js", "./server/serve.js"]),
    );
    expect(entriesOf(sources["server/workers.ts"]!, ENTRIES)).toEqual(["server/worker.ts"]);
    const started = new Set(Object.values(sources).flatMap((text) => entriesOf(text, ENTRIES)));
    expect([...started].toSorted()).toEqual(ENTRIES.map((entry) => `${entry}.ts`).toSorted());
  });

  it("imports only downwards, never sideways or in a circle", () => {
    expect(findViolations(sources, LAYERS)).toEqual([]);
  });

  it("learns how the program is run in one place only", () => {
    expect(findPlaces(sources, LAYERS)).toEqual([]);
  });

  it("has no entry point with top-level await, which the single executable cannot run", () => {
    expect(ENTRIES.filter((entry) => /^(?:const .* = )?await /m.test(sources[`${entry}.ts`]!))).toEqual([]);
  });

  it(`has no folder of more than ${MOST_FILES} files`, () => {
    expect(findFullFolders(sources, MOST_FILES)).toEqual([]);
  });
});

describe("docs/architecture.md", () => {
  const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
  const paths = pathsIn(page);

  it("lists the same levels", () => {
    const sorted = (levels: readonly (readonly string[])[]) => levels.map((modules) => modules.toSorted());
    expect(sorted(levelsIn(page))).toEqual(sorted(LAYERS.levels));
  });

  it("names every folder of src/", () => {
    const folders = [...new Set(Object.keys(readSources()).map(dirname))].filter((folder) => folder !== ".");
    expect(folders.filter((folder) => !paths.some((path) => [`${folder}/`, `src/${folder}/`].includes(path)))).toEqual(
      [],
    );
  });

  it("names no file or folder that does not exist", () => {
    const isThere = (path: string) =>
      path.startsWith("*/")
        ? Object.keys(readSources()).some((file) => file.endsWith(path.slice(1)))
        : existsSync(join(SOURCES, path)) || existsSync(join(ROOT, path));
    expect(paths.length).toBeGreaterThan(40);
    expect(paths.filter((path) => !isThere(path))).toEqual([]);
  });
});

describe("the checker", () => {
  const check = (sources: Record<string, string>) => findViolations(sources, LAYERS);

  it.each([
    ["upwards", { "util/a.ts": 'import { b } from "../linux/b.js";', "linux/b.ts": "" }],
    ["sideways", { "server/a.ts": 'import { b } from "../client/b.js";', "client/b.ts": "" }],
    ["sideways on a low level", { "linux/a.ts": 'import { b } from "../protocols/b.js";', "protocols/b.ts": "" }],
    ["a type upwards", { "engine/a.ts": 'import type { B } from "../server/b.js";', "server/b.ts": "" }],
    ["an inline type upwards", { "engine/a.ts": 'import { type B } from "../server/b.js";', "server/b.ts": "" }],
    ["over several lines", { "engine/a.ts": 'import {\n  b,\n  c,\n} from "../server/b.js";', "server/b.ts": "" }],
    ["of an imported file for its side effects", { "engine/a.ts": 'import "../server/b.js";', "server/b.ts": "" }],
    ["by re-export", { "engine/a.ts": 'export { b } from "../server/b.js";', "server/b.ts": "" }],
    ["by re-exporting everything", { "engine/a.ts": 'export * from "../server/b.js";', "server/b.ts": "" }],
    ["dynamically", { "engine/a.ts": 'const b = await import("../server/b.js");', "server/b.ts": "" }],
    ["a thread's entry", { "engine/a.ts": 'startThread("server/worker", {});', "server/worker.ts": "" }],
    ["of the public API from within", { "cli/a.ts": 'import { b } from "../index.js";', "index.ts": "" }],
  ])("finds an import that goes %s", (_, sources) => {
    expect(check(sources)).toEqual([expect.stringMatching(/which is not lower$/)]);
  });

  it("finds modules that have no level", () => {
    expect(check({ "helpers/a.ts": "", "helpers.ts": "" })).toEqual([
      "helpers is not a module",
      "helpers.ts is not a module",
    ]);
  });

  it("finds circular imports, also within a module", () => {
    const circle = check({
      "engine/a.ts": 'import { b } from "./b.js";',
      "engine/b.ts": 'import { c } from "./c.js";',
      "engine/c.ts": 'import { a } from "./a.js";',
      "engine/d.ts": 'import { a } from "./a.js";',
    });
    expect(circle).toEqual(["a circle: engine/a.ts -> engine/b.ts -> engine/c.ts -> engine/a.ts"]);
  });

  it("finds koffi outside of linux/ and net anywhere", () => {
    expect(check({ "engine/a.ts": 'import koffi from "koffi";' })).toEqual(["engine/a.ts imports koffi"]);
    expect(check({ "engine/a.ts": 'createRequire(import.meta.url)("koffi")' })).toEqual(["engine/a.ts imports koffi"]);
    expect(check({ "linux/a.ts": 'import { connect } from "node:net";' })).toEqual(["linux/a.ts imports node:net"]);
    expect(check({ "linux/a.ts": 'import koffi from "koffi";' })).toEqual([]);
  });

  it("finds what depends on how the program is run", () => {
    const text = "const a = import.meta.url;\n// process.execPath\nspawn(process.execPath, [process.argv[1]!]);";
    expect(findPlaces({ "lab/a.ts": text, "util/program/files.ts": text }, LAYERS)).toEqual(
      ["import.meta", "process.execPath", "process.argv[1]"].map((each) => `lab/a.ts uses ${each}`),
    );
    expect(findPlaces({ "lab/a.ts": "process.argv.slice(2); process.argv[2]" }, LAYERS)).toEqual([]);
  });

  it("finds each folder that has too many files", () => {
    const sources = { "linux/a.ts": "", "linux/b.ts": "", "linux/c/d.ts": "", "index.ts": "" };
    expect(findFullFolders(sources, 1)).toEqual(["linux/ holds 2 files"]);
    expect(findFullFolders(sources, 2)).toEqual([]);
  });

  it("reads levels and paths from a page", () => {
    const page =
      "| 0     | `src/util/` | x |\n| 1  | `src/cli/`, `src/index.ts` | see `util/a.ts`, not `127.0.0.0/8` or `/proc/` |";
    expect(levelsIn(page)).toEqual([["util"], ["cli", "index.ts"]]);
    expect(pathsIn(page)).toEqual(["src/util/", "src/cli/", "src/index.ts", "util/a.ts"]);
  });

  it("finds imports of missing files", () => {
    expect(check({ "linux/a.ts": 'import { b } from "../util/b.js";' })).toEqual([
      "linux/a.ts imports util/b.ts, which does not exist",
    ]);
  });

  it("accepts valid imports, and ignores imports in comments", () => {
    const sources = {
      "cli/main.ts": 'import { serve } from "../server/serve.js";\nimport { plot } from "../output/plot.js";',
      "server/serve.ts":
        'import { x } from "../util/x.js";\n// import { y } from "../cli/main.js";\n/* import "../output/plot.js" */',
      "output/plot.ts": 'import { serve } from "../server/serve.js"; const text = "taken from here";',
      "util/x.ts": 'import ipaddr from "ipaddr.js";',
    };
    expect(check(sources)).toEqual([]);
  });
});
