// Makes one file of the library's declarations, dist/index.d.ts, with those of zod that the results' types are inferred by: so a program
// that uses the library needs no other package to be type-checked. Part of packing, not of each build: in this repository the
// declarations stand module by module.
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));

const bundle = await rolldown({
  input: { index: `${DIST}index.d.ts` },
  // Nothing refers to zod's messages in other languages, and they are CommonJS.
  external: [/^node:/, /\/locales\//],
  plugins: [dts({ dtsInput: true, oxc: true })],
});
// zod's casts of variance are errors without the comments that excuse them, which bundling leaves out.
await bundle.write({ dir: DIST, format: "esm", banner: "// @ts-nocheck" });
await bundle.close();
