// Schemas, by zod. Required, not imported: an ES module's hundred files are opened at once, which takes a hundred descriptors of a
// process that may have forty.
import { createRequire } from "node:module";
import type { z as Zod } from "zod";

export const z: typeof Zod = createRequire(import.meta.url)("zod").z;
