// Bundles the program and the library into dist/bundle/. Without the bundle, a run's main thread would find, read and
// link more than a hundred modules before its first connection. dist/index.js and dist/cli/run-main.js re-export the
// bundle. Files outside of it (the workers' own bundles, and programs started by their file) stay where the compiler
// wrote them.
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { ownPlace } from "./own-place.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const BUNDLE = `${DIST}bundle/`;
const ENTRIES = { index: `${DIST}index.js`, "run-main": `${DIST}cli/run-main.js` };

/**
 * Chunks of the bundle. A thread needs half a millisecond of CPU to find, read and link a file of any size, so six
 * chunks replace sixty small ones: modules that everything starts with; the command line; the modules that explain a
 * finished run on any system; the kernel's tables and calls; what `ports` adds to these; and what all runs share. None
 * of them contains modules that need zod. A chunk also contains what its modules import, unless a group of higher
 * priority has it, so the library never loads the command line.
 */
const GROUPS = [
  {
    name: "first",
    test: /dist\/(util\/(?!zod|options|subprocess|host-load)|results\/identifiers|linux\/syscalls\/constants|socket-table\/query|output\/terminal\/(output|columns|paint)\.|cli\/(signals|output-error|reachable|files\/file-error)\.)/,
    priority: 4,
  },
  { name: "program", test: /dist\/cli\/program\.js/, priority: 3 },
  {
    name: "anywhere",
    test: /dist\/(diagnosis|results\/histogram\/(?!latency-summary)|transport\/obstacle-words)/,
    minShareCount: 2,
    priority: 2,
  },
  {
    name: "table",
    test: /dist\/(linux\/(netlink|proc|syscalls|bpf)|socket-table)\/(?!.*schema)/,
    priority: 2,
  },
  {
    name: "ports",
    test: /dist\/(cli\/ports\/(?!command|list|map|namespaces)|output\/text\/ports\/(?!namespaces))/,
    priority: 2,
  },
  {
    name: "linux",
    test: /dist\/(linux|engine|transport|planning|protocols)\/(?!.*schema)/,
    minShareCount: 2,
    priority: 1,
  },
];

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
