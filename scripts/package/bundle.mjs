// Bundles the program for the single executable: scripts for the commands, and one for each entry of a thread or helper
// program, with source maps.
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { rolldown } from "rolldown";
import { ENTRIES } from "../../dist/util/program/entries.js";
import { CHUNKS } from "../chunks.mjs";
import { oneByte, oneByteMappings } from "../one-byte.mjs";
import { ROOT } from "./places.mjs";

/** Start of each script, whose end is `})`. */
const START = "(function (require, exports, module) {";

/** @typedef {{ name: string, script: string, map: string, packages: Set<string> }} Script */

/** @returns {Promise<Script[]>} */
export async function bundleProgram() {
  // A command loads only the files that it needs, and with them Node's own modules.
  const scripts = await bundle("cli/run-main", `${ROOT}src/cli/run-main.ts`, { groups: CHUNKS });
  for (const name of ENTRIES) scripts.push(...(await bundle(name, `${ROOT}src/${name}.ts`, false)));
  return [...scripts, ...(await bundle("file", `${ROOT}scripts/package/file.cjs`, false))];
}

/**
 * @param {string} name
 * @param {string} input
 * @param {NonNullable<import("rolldown").OutputOptions["codeSplitting"]>} codeSplitting
 * @returns {Promise<Script[]>}
 */
async function bundle(name, input, codeSplitting) {
  const made = await rolldown({
    input: { [name]: input },
    platform: "node",
    tsconfig: `${ROOT}tsconfig.json`,
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    // Only read when running from files.
    transform: { target: "node24", define: { "import.meta.url": '"file:///"' } },
    checks: { ineffectiveDynamicImport: false },
    onLog(_, log) {
      if (log.code === "UNRESOLVED_IMPORT") throw new Error(`${name}: ${log.message}`);
    },
  });
  const { output } = await made.generate({
    format: "cjs",
    codeSplitting,
    entryFileNames: "[name].js",
    chunkFileNames: `${dirname(name)}/[name]-[hash].js`,
    sourcemap: "hidden",
    // Names stay readable in stacks.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await made.close();
  const chunks = output.filter((each) => each.type === "chunk");
  const files = chunks.map(({ fileName }) => fileName);
  return chunks.map((chunk) => {
    const unknown = chunk.imports.filter((each) => !each.startsWith("node:") && !files.includes(each));
    if (unknown.length > 0) throw new Error(`${name} needs files that are not there: ${unknown.join(", ")}`);
    return {
      name: chunk.fileName.replace(/\.js$/, ""),
      script: `${START}${oneByte(chunk.code)}\n})`,
      map: sourceMapOf(chunk),
      packages: new Set(chunk.moduleIds.flatMap(packageOf)),
    };
  });
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
function sourceMapOf({ code, map }) {
  // A script of helpers has no sources.
  if (!map) return JSON.stringify({ version: 3, sources: [], names: [], mappings: "" });
  const mappings = oneByteMappings(map.mappings, code, START);
  const sources = map.sources.map((source) => source.replace(/^(?:\.\.\/)+/, ""));
  return JSON.stringify({ version: 3, sources, names: map.names, mappings });
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
