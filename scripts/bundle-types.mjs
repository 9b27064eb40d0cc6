// Bundles the library's declarations into dist/index.d.ts, with the declarations of zod that result types are inferred
// from, so that programs using the library need no other package for type checking. It runs when packing rather than
// in each build, because declarations in this repository stay separate.
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));

const bundle = await rolldown({
  input: { index: `${DIST}index.d.ts` },
  // Leave out zod's messages in other languages, which are CommonJS and to which nothing refers.
  external: [/^node:/, /\/locales\//],
  plugins: [dts({ dtsInput: true, oxc: true })],
});
// zod's variance casts are errors without the comments that suppress them, and bundling drops those.
await bundle.write({ dir: DIST, format: "esm", banner: "// @ts-nocheck" });
await bundle.close();
