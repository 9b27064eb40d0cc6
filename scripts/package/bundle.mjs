// Bundles the program for the single executable: one script for the commands and one for each entry of a thread or
// helper program, with source maps.
import { readFileSync } from "node:fs";
import { rolldown } from "rolldown";
import { ENTRIES } from "../../dist/util/program/entries.js";
import { ROOT } from "./places.mjs";

/** @typedef {{ name: string, script: string, map: string, packages: Set<string> }} Bundle */

/** @returns {Promise<Bundle[]>} */
export async function bundleProgram() {
  const bundles = [];
  for (const name of ["cli/run-main", ...ENTRIES]) bundles.push(await bundle(name, `${ROOT}src/${name}.ts`));
  bundles.push(await bundle("file", `${ROOT}scripts/package/file.cjs`));
  return bundles;
}

/**
 * @param {string} name
 * @param {string} input
 * @returns {Promise<Bundle>}
 */
async function bundle(name, input) {
  const made = await rolldown({
    input,
    platform: "node",
    tsconfig: `${ROOT}tsconfig.json`,
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    // Only read when running from files.
    transform: { target: "node24", define: { "import.meta.url": '"file:///"' } },
    onLog(_, log) {
      if (log.code === "UNRESOLVED_IMPORT") throw new Error(`${name}: ${log.message}`);
    },
  });
  const { output } = await made.generate({
    format: "cjs",
    codeSplitting: false,
    sourcemap: "hidden",
    // Names stay readable in stacks.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await made.close();
  const [chunk] = output;
  const unknown = chunk.imports.filter((each) => !each.startsWith("node:"));
  if (output.filter(({ type }) => type === "chunk").length > 1 || unknown.length > 0)
    throw new Error(`${name} needs more than one file: ${unknown.join(", ")}`);
  return {
    name,
    // On the first line, so that the source map holds.
    script: `(function (require, exports) {${chunk.code}\n})`,
    map: sourceMapOf(chunk),
    packages: new Set(chunk.moduleIds.flatMap(packageOf)),
  };
}

/** Returns the packages in the live page, which scripts/bundle-page.mjs bundles. */
export async function bundlePage() {
  const made = await rolldown({
    input: `${ROOT}src/output/live/page/main.ts`,
    platform: "browser",
    tsconfig: `${ROOT}tsconfig.page.json`,
  });
  const { output } = await made.generate({ format: "iife" });
  await made.close();
  return { packages: new Set(output[0].moduleIds.flatMap(packageOf)) };
}

/** @param {import("rolldown").OutputChunk} chunk */
function sourceMapOf({ map }) {
  if (!map) throw new Error("no source map");
  const sources = map.sources.map((source) => source.replace(/^(?:\.\.\/)+/, ""));
  return JSON.stringify({ version: 3, sources, names: map.names, mappings: map.mappings });
}

/**
 * Returns the folder of the package that a module belongs to.
 * @param {string} id
 */
function packageOf(id) {
  const [folder] = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replace("\0", "")) ?? [];
  return folder === undefined ? [] : [folder];
}

/** Returns the first script of the executable. */
export function startScript() {
  return readFileSync(new URL("start.cjs", import.meta.url), "utf8");
}
