// Bundles each module that is started by file name together with its imports. A thread starts sooner if it has to find
// and load one file instead of twenty-five, and there may be a hundred threads. The same is done for zod's hundred
// files.
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { ENTRIES } from "../dist/util/program/entries.js";
import { ownPlace } from "./own-place.mjs";

for (const module of [...ENTRIES, "util/zod"]) {
  const file = fileURLToPath(new URL(`../dist/${module}.js`, import.meta.url));
  const bundle = await rolldown({ input: file, platform: "node", plugins: [ownPlace(dirname(file))] });
  const { output } = await bundle.generate({ file, format: "esm", comments: false });
  writeFileSync(file, oneByte(output[0].code));
  await bundle.close();
}

/**
 * Escapes characters beyond Latin-1, which only strings contain. A single one would make V8 keep two bytes for every
 * character of the file, in every thread.
 *
 * @param {string} code
 */
function oneByte(code) {
  return code.replace(/[^\0-\xff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
