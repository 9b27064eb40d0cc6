// The house stands: rooms on levels, imports only downwards, and what is the system's stays in one room.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { entriesOf, findViolations, type House, importsOf } from "./support/architecture.js";

const SOURCES = new URL("../src/", import.meta.url).pathname;

const HOUSE: House = {
  levels: [
    ["base"],
    ["sys", "protocol"],
    ["engine", "ports"],
    ["serve", "connect"],
    ["doctor"],
    ["lab"],
    ["report", "ui"],
    ["cli", "index.ts"],
  ],
  reserved: { koffi: ["sys"], "node:net": [], net: [], "node:tls": [], tls: [] },
};

function readSources(): Record<string, string> {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(SOURCES, file), "utf8")]));
}

describe("src/", () => {
  const sources = readSources();

  it("has files, and the checker sees their imports", () => {
    expect(Object.keys(sources).length).toBeGreaterThan(40);
    expect(importsOf(sources["sys/libc.ts"]!)).toEqual(expect.arrayContaining(["koffi", "./platform.js"]));
    expect(importsOf(sources["index.ts"]!)).toEqual(
      expect.arrayContaining(["./connect/connect.js", "./serve/serve.js"]),
    );
    expect(entriesOf(sources["serve/run.ts"]!)).toEqual(["./shard.js"]);
  });

  it("imports only downwards, never sideways, never in a circle", () => {
    expect(findViolations(sources, HOUSE)).toEqual([]);
  });
});

describe("the checker", () => {
  const check = (sources: Record<string, string>) => findViolations(sources, HOUSE);

  it.each([
    ["upwards", { "base/a.ts": 'import { b } from "../sys/b.js";', "sys/b.ts": "" }],
    ["sideways", { "serve/a.ts": 'import { b } from "../connect/b.js";', "connect/b.ts": "" }],
    ["sideways on the lowest floors", { "sys/a.ts": 'import { b } from "../protocol/b.js";', "protocol/b.ts": "" }],
    ["a type upwards", { "engine/a.ts": 'import type { B } from "../serve/b.js";', "serve/b.ts": "" }],
    ["an inline type upwards", { "engine/a.ts": 'import { type B } from "../serve/b.js";', "serve/b.ts": "" }],
    ["over several lines", { "engine/a.ts": 'import {\n  b,\n  c,\n} from "../serve/b.js";', "serve/b.ts": "" }],
    ["for its effect", { "engine/a.ts": 'import "../serve/b.js";', "serve/b.ts": "" }],
    ["by re-export", { "engine/a.ts": 'export { b } from "../serve/b.js";', "serve/b.ts": "" }],
    ["by re-export of all", { "engine/a.ts": 'export * from "../serve/b.js";', "serve/b.ts": "" }],
    ["dynamically", { "engine/a.ts": 'const b = await import("../serve/b.js");', "serve/b.ts": "" }],
    ["a thread's entry", { "engine/a.ts": 'new Worker(new URL("../serve/b.js", import.meta.url));', "serve/b.ts": "" }],
    ["the public API from within", { "cli/a.ts": 'import { b } from "../index.js";', "index.ts": "" }],
  ])("finds an import that goes %s", (_, sources) => {
    expect(check(sources)).toEqual([expect.stringMatching(/which is not lower$/)]);
  });

  it("finds rooms that nobody planned", () => {
    expect(check({ "utils/a.ts": "", "helpers.ts": "" })).toEqual([
      "utils is no room of the house",
      "helpers.ts is no room of the house",
    ]);
  });

  it("finds circles, in one room too", () => {
    const circle = check({
      "engine/a.ts": 'import { b } from "./b.js";',
      "engine/b.ts": 'import { c } from "./c.js";',
      "engine/c.ts": 'import { a } from "./a.js";',
      "engine/d.ts": 'import { a } from "./a.js";',
    });
    expect(circle).toEqual(["a circle: engine/a.ts -> engine/b.ts -> engine/c.ts -> engine/a.ts"]);
  });

  it("finds koffi outside of sys/ and net anywhere", () => {
    expect(check({ "engine/a.ts": 'import koffi from "koffi";' })).toEqual(["engine/a.ts imports koffi"]);
    expect(check({ "engine/a.ts": 'createRequire(import.meta.url)("koffi")' })).toEqual(["engine/a.ts imports koffi"]);
    expect(check({ "sys/a.ts": 'import { connect } from "node:net";' })).toEqual(["sys/a.ts imports node:net"]);
    expect(check({ "sys/a.ts": 'import koffi from "koffi";' })).toEqual([]);
  });

  it("finds imports of files that are not there", () => {
    expect(check({ "sys/a.ts": 'import { b } from "../base/b.js";' })).toEqual([
      "sys/a.ts imports base/b.ts, which does not exist",
    ]);
  });

  it("takes what is as it should be, and no comment for an import", () => {
    const sources = {
      "cli/main.ts": 'import { serve } from "../serve/serve.js";\nimport { plot } from "../ui/plot.js";',
      "serve/serve.ts":
        'import { x } from "../base/x.js";\n// import { y } from "../cli/main.js";\n/* import "../ui/plot.js" */',
      "ui/plot.ts": 'import { serve } from "../serve/serve.js"; const text = "taken from here";',
      "base/x.ts": 'import ipaddr from "ipaddr.js";',
    };
    expect(check(sources)).toEqual([]);
  });
});
