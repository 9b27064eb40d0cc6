// A plugin for bundles: makes modules find their files relative to their original location rather than the bundle's.
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));

/** @param {string} folder folder of the bundle */
export function ownPlace(folder) {
  return {
    name: "own-place",
    /**
     * @param {string} code
     * @param {string} id
     */
    transform(code, id) {
      if (!id.startsWith(DIST) || !code.includes("import.meta.url")) return null;
      const own = `new URL(${JSON.stringify(relative(folder, id))}, import.meta.url).href`;
      return { code: code.replaceAll("import.meta.url", own), map: null };
    },
  };
}
