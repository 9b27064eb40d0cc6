// Bundles each module that is started by file name together with its imports. A thread starts sooner if it has to find
// and load one file instead of twenty-five, and there may be a hundred threads. The same is done for zod's hundred
// files.
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { ENTRIES } from "../dist/util/program/entries.js";
import { oneByte } from "./one-byte.mjs";
import { ownPlace } from "./own-place.mjs";

for (const module of [...ENTRIES, "util/zod"]) {
  const file = fileURLToPath(new URL(`../dist/${module}.js`, import.meta.url));
  const bundle = await rolldown({ input: file, platform: "node", plugins: [ownPlace(dirname(file))] });
  const { output } = await bundle.generate({ file, format: "esm", comments: false });
  writeFileSync(file, oneByte(output[0].code));
  await bundle.close();
}
