// Bundles the live page into one file, dist/output/live/page.html: its markup, its styles in the report's colours, and
// its script with uPlot. The browser loads nothing else.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { COLOURS } from "../dist/output/html/page-style.js";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SOURCE = `${ROOT}src/output/live/page/`;
const TARGET = `${ROOT}dist/output/live/page.html`;
/** Colours of the port map; see src/output/port-map/style.ts. */
const PORT_COLOURS = `:root{--top:#1098ad;--bottom:#3b5bdb}
@media screen and (prefers-color-scheme:dark){:root{--top:#45d6e8;--bottom:#748ffc}}`;

const bundle = await rolldown({
  input: `${SOURCE}main.ts`,
  platform: "browser",
  tsconfig: `${ROOT}tsconfig.page.json`,
});
const { output } = await bundle.generate({ format: "iife", minify: true });
await bundle.close();
const script = output[0].code;
const styles = [
  COLOURS,
  PORT_COLOURS,
  readFileSync(fileURLToPath(import.meta.resolve("uplot/dist/uPlot.min.css")), "utf8"),
  readFileSync(`${SOURCE}page.css`, "utf8"),
].join("\n");
if (/<\/script|<!--/i.test(script) || /<\/style/i.test(styles)) throw new Error("the bundle would end its own element");
const page = readFileSync(`${SOURCE}index.html`, "utf8")
  .replace("/* styles */", () => styles)
  .replace("/* script */", () => script);
mkdirSync(`${ROOT}dist/output/live`, { recursive: true });
writeFileSync(TARGET, page);
