// Bundles the program and the library into dist/bundle/: a run's main thread would otherwise find, read and link more than a hundred
// modules before its first connection. dist/index.js and dist/cli/run-main.js lead there; what the bundle leaves alone (the workers' own
// bundles, programs started by their file) stays where the compiler wrote it.
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const BUNDLE = `${DIST}bundle/`;
const ENTRIES = { index: `${DIST}index.js`, "run-main": `${DIST}cli/run-main.js` };

/**
 * A file costs a thread half a millisecond of CPU to find, read and link, whatever is in it. So three take the place of forty small ones: what
 * both entries begin with; what a finished run is explained with, on any system; and what all that runs on Linux has in common. Modules
 * that need zod are not among them.
 */
const GROUPS = [
  { name: "first", tags: /** @type {"$initial"[]} */ (["$initial"]), test: /dist\/util\//, priority: 3 },
  {
    name: "anywhere",
    test: /dist\/(diagnosis|results\/(identifiers|histogram)|transport\/obstacle-words|util\/(bound|endpoint|share|steps|units)\.)/,
    minShareCount: 2,
    priority: 2,
  },
  {
    name: "linux",
    test: /dist\/(linux|engine|transport|planning|protocols|socket-table)\/(?!.*schema)/,
    minShareCount: 2,
    priority: 1,
  },
];

/** A module finds its files by its own place, not by the bundle's. */
const ownPlace = {
  name: "own-place",
  /** @param {string} code @param {string} id */
  transform(code, id) {
    if (!id.startsWith(DIST) || !code.includes("import.meta.url")) return null;
    const own = `new URL(${JSON.stringify(relative(BUNDLE, id))}, import.meta.url).href`;
    return { code: code.replaceAll("import.meta.url", own), map: null };
  },
};

// The names of its files change with what is in them.
rmSync(BUNDLE, { recursive: true, force: true });
// The library module by module: where tests let single calls fail.
copyFileSync(ENTRIES.index, `${DIST}index-unbundled.js`);
const bundle = await rolldown({ input: ENTRIES, platform: "node", plugins: [ownPlace] });
await bundle.write({
  dir: BUNDLE,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "[name]-[hash].js",
  codeSplitting: { groups: GROUPS },
});
await bundle.close();

for (const [name, file] of Object.entries(ENTRIES)) {
  writeFileSync(file, `export * from "./${relative(dirname(file), `${BUNDLE}${name}.js`)}";\n`);
}
