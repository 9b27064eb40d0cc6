// Tests that neither the start of a run nor a worker loads a schema, because schemas load a library.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ROOT } from "../support/library.js";

const STATIC = /^(?:import|export)[^;]*?from\s*"(\.[^"]+)"|^import\s*"(\.[^"]+)"/gm;

/** Returns the modules loaded with a module, itself included, but not those loaded by import(). */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  for (const [, named, bare] of readFileSync(file, "utf8").matchAll(STATIC)) {
    loadedWith(fileURLToPath(new URL(named ?? bare!, `file://${file}`)), loaded);
  }
  return loaded;
}

const schemasOf = (module: string) =>
  [...loadedWith(`${ROOT}dist/${module}.js`)].filter((file) =>
    /util\/zod\.js$|results\/(connect|fields|parse)\.js$/.test(file),
  );

describe("no schema is loaded", () => {
  it.each([
    "index",
    "cli/program",
    "cli/connect/run",
    "cli/serve/run",
    "cli/ports/run",
    "client/worker",
    "server/worker",
  ])("by %s", (module) => {
    expect(schemasOf(module)).toEqual([]);
  });
});

it.each(["index", "run-main", "first", "anywhere", "linux", "connect", "serve"])(
  "the %s part of the bundle is loaded without zod",
  (name) => {
    const folder = `${ROOT}dist/bundle/`;
    const parts = readdirSync(folder).filter((file) => new RegExp(`^${name}(-[\\w-]{8})?\\.js$`).test(file));
    expect(parts).not.toEqual([]);
    const loaded = new Set(parts.flatMap((part) => [...loadedWith(folder + part)]));
    expect([...loaded].filter((file) => /ZodType/.test(readFileSync(file, "utf8")))).toEqual([]);
  },
);

it("except by code that reads a result", () => {
  expect(schemasOf("cli/report/run").length).toBeGreaterThan(2);
});
