// Draws the README's pictures from a committed run of the lab: the report, and the port map in it, in light and dark.
// Usage: node scripts/draw-pictures.mjs [run.json] (needs a build, and chromium)
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { renderReport } from "../dist/index.js";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const [run = `${ROOT}docs/runs/lab.json`] = process.argv.slice(2);
const WIDTH = 1100;
const HEADLINE_HEIGHT = 900;
const MARGIN = 40;

const folder = mkdtempSync(join(tmpdir(), "fourtuple-pictures-"));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
try {
  const page = join(folder, "report.html");
  writeFileSync(page, await renderReport(JSON.parse(readFileSync(run, "utf8"))));
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    const tab = await browser.newPage({ viewport: { width: WIDTH, height: HEADLINE_HEIGHT }, colorScheme });
    await tab.goto(pathToFileURL(page).href);
    await tab.screenshot({ path: `${ROOT}docs/pictures/report-${colorScheme}.png` });
    const map = tab.locator("#E2 svg.port-map");
    await map.scrollIntoViewIfNeeded();
    const box = await map.boundingBox();
    if (!box) throw new Error("the report has no port map");
    // The axis extends slightly beyond the picture's box.
    const clip = { x: box.x - MARGIN, y: box.y, width: box.width + 2 * MARGIN, height: box.height };
    await tab.screenshot({ path: `${ROOT}docs/pictures/ports-${colorScheme}.png`, clip });
    await tab.close();
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
