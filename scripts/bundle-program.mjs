// Bundles the program and the library into dist/bundle/. Without the bundle, a run's main thread would find, read and
// link more than a hundred modules before its first connection. dist/index.js and dist/cli/run-main.js re-export the
// bundle. Files outside of it (the workers' own bundles, and programs started by their file) stay where the compiler
// wrote them.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { CHUNKS } from "./chunks.mjs";
import { oneByte } from "./one-byte.mjs";
import { ownPlace } from "./own-place.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const BUNDLE = `${DIST}bundle/`;
const ENTRIES = { index: `${DIST}index.js`, "run-main": `${DIST}cli/run-main.js` };

// Names of chunks change with their contents.
rmSync(BUNDLE, { recursive: true, force: true });
// The unbundled library, for tests that make individual calls fail.
copyFileSync(ENTRIES.index, `${DIST}index-unbundled.js`);
const bundle = await rolldown({
  input: ENTRIES,
  platform: "node",
  plugins: [ownPlace(BUNDLE)],
  // All of a command's modules are in one chunk, even those that only some of its options need.
  checks: { ineffectiveDynamicImport: false },
});
const { output } = await bundle.generate({
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "[name]-[hash].js",
  // Every start of the program would read them.
  comments: false,
  codeSplitting: { groups: CHUNKS },
});
await bundle.close();
mkdirSync(BUNDLE);
for (const file of output) if (file.type === "chunk") writeFileSync(`${BUNDLE}${file.fileName}`, oneByte(file.code));

for (const [name, file] of Object.entries(ENTRIES)) {
  writeFileSync(file, `export * from "./${relative(dirname(file), `${BUNDLE}${name}.js`)}";\n`);
}
