// The built library from dist/, as a user gets it. Its types come from src/, so that type checking needs no build.
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Library from "../../src/index.js";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const LIBRARY_FILE = `${ROOT}dist/index.js`;

if (!existsSync(LIBRARY_FILE)) throw new Error("dist/ is not built: run the tests by `npm test`, which builds first");

export const {
  connect,
  serve,
  explainRun,
  inspectLimits,
  predictCapacity,
  mergeResults,
  renderReport,
  AppError,
  parseAddressRanges,
  startAgent,
} = (await import(/* @vite-ignore */ pathToFileURL(LIBRARY_FILE).href)) as typeof Library;
