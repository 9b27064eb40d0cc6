// Tests the rendered report in Chromium, in both colour schemes and with each chart's marks; screenshots are kept in
// artifacts/.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LabResult } from "../../../src/results/lab/lab.js";
import { CHROMIUM, launchChromium, luminance, openFile } from "../../support/chromium.js";
import { ROOT, renderReport } from "../../support/library.js";
import { startClient, startServer } from "../../support/peers.js";
import { cellsOfPath } from "../../support/port-map.js";
import { within } from "../../support/until.js";

const LAB: LabResult = JSON.parse(readFileSync(new URL("../fixtures/lab.json", import.meta.url), "utf8"));
const ARTIFACTS = `${ROOT}artifacts/`;
const SCHEMES = ["light", "dark"] as const;

describe.skipIf(!CHROMIUM)("the report in Chromium", () => {
  const directory = mkdtempSync(join(tmpdir(), "fourtuple-report-"));
  let browser: Browser;

  beforeAll(async () => {
    mkdirSync(ARTIFACTS, { recursive: true });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true });
  });

  async function open(name: string, text: string, scheme: (typeof SCHEMES)[number]) {
    const file = join(directory, `${name}.html`);
    writeFileSync(file, text);
    const opened = await openFile(browser, file, scheme);
    await opened.page.screenshot({ path: `${ARTIFACTS}${name}-${scheme}.png`, fullPage: true });
    return opened;
  }

  it.each(SCHEMES)("shows the lab's verdicts and all evidence, in %s", async (scheme) => {
    const { page, complaints } = await open("lab-report", await renderReport(LAB), scheme);
    const evidence = LAB.experiments.flatMap((experiment) => experiment.evidence);
    const count = (...kinds: string[]) => evidence.filter(({ kind }) => kinds.includes(kind)).length;
    expect(new Set(evidence.map(({ kind }) => kind)).size).toBe(7);
    const charts = await describeCharts(page);
    expect(charts).toHaveLength(count("series", "fit", "stack", "latency", "ceiling"));
    for (const chart of charts) expect(chart).toMatchObject(DRAWN);
    expect(await page.locator("svg.port-map[role=img]").count()).toBe(count("ports"));
    expect(await page.locator("figure.table table").count()).toBe(count("table"));
    expect(await page.locator("#verdicts ~ div tbody tr").count()).toBe(LAB.experiments.length);
    for (const { id, observed, verdict } of LAB.experiments) {
      const text = await page.locator(`#${id}`).textContent();
      expect(text).toContain(observed);
      expect(text).toContain(verdict);
    }
    await expectScheme(page, scheme);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it.each(SCHEMES)("shows a real run over time, in %s", async (scheme) => {
    const server = await startServer({ mode: "echo" });
    const run = await startClient({
      to: `${server.address.ip}:${server.address.port}`,
      connections: 1000,
      // Slow enough for several samples, and long enough for answers, on a busy host.
      connectRatePerSec: 500,
      durationMs: 3000,
      message: "ping",
      messageRatePerSec: 5,
    });
    const result = await within("the end", run.done);
    const { page, complaints } = await open("connect-report", await renderReport(result), scheme);
    const charts = await describeCharts(page);
    expect(charts.map(({ title }) => title)).toEqual([
      "Connections over time",
      "Rate over time",
      "Distribution by percentiles",
    ]);
    for (const chart of charts) expect(chart).toMatchObject(DRAWN);
    expect(await page.locator("h1").textContent()).toBe("All 1,000 connections opened");
    const medians = await page.locator("#latency ~ figure .chart circle").count();
    // Only connecting and the round trip: an echo server sends no greeting.
    expect(medians).toBe(2);
    await expectScheme(page, scheme);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("lights each port in use, and no other", async () => {
    const { page } = await open("lab-report", await renderReport(LAB), "light");
    const ports = LAB.experiments.flatMap(({ evidence }) => evidence.filter((each) => each.kind === "ports"));
    const expected = ports.flatMap(({ fields }) =>
      fields.map(({ used }) => used.reduce((sum, [first, last]) => sum + last - first + 1, 0)),
    );
    const paths = await page
      .locator(".field .lit")
      .evaluateAll((all) => all.map((path) => path.getAttribute("d") ?? ""));
    const lit = paths.map((path) => cellsOfPath(path).reduce((sum, cell) => sum + cell, 0));
    expect(lit.sort()).toEqual(expected.sort());
    await page.close();
  });

  it("marks the binding limit, and no other", async () => {
    const { page } = await open("lab-report", await renderReport(LAB), "light");
    const chart = page.locator("svg.chart", { hasText: "connections that each limit allows" });
    const bars = chart.locator('g[aria-label="bar"]');
    const filled = await bars.evaluateAll((all) =>
      all.map((group) => [group.getAttribute("fill"), group.querySelectorAll("rect,path").length]),
    );
    expect(filled).toEqual([
      ["var(--bar)", 4],
      ["var(--server)", 1],
    ]);
    await page.close();
  });

  it("does not break options of a command at hyphens, and copies each command as one line", async () => {
    const { page } = await open("lab-report", await renderReport(LAB), "light");
    await page.setViewportSize({ width: 390, height: 800 });
    const options = page.locator("pre .option");
    expect(await options.evaluateAll((all) => all.filter((each) => each.getClientRects().length !== 1).length)).toBe(0);
    const { commands } = LAB.experiments.find(({ id }) => id === "E2")!;
    const copied = await page.evaluate<string>(
      "getSelection().selectAllChildren(document.querySelector('#E2 pre')), getSelection().toString()",
    );
    expect(copied.split("\n").filter((line) => line !== "")).toEqual(commands);
    await page.close();
  });

  it("shows the port map at a readable size on a phone", async () => {
    const { page } = await open("lab-report", await renderReport(LAB), "light");
    await page.setViewportSize({ width: 390, height: 800 });
    const boxes = await page
      .locator(".narrow-ports :is(p,svg)")
      .evaluateAll((all) => all.map((each) => each.getBoundingClientRect()));
    const fields = LAB.experiments.flatMap(({ evidence }) => evidence.filter(({ kind }) => kind === "ports")).length;
    expect(boxes.length).toBeGreaterThan(2 * fields);
    expect(Math.min(...boxes.map(({ height }) => height))).toBeGreaterThan(8);
    expect(Math.min(...boxes.map(({ width }) => width))).toBeGreaterThan(100);
    expect(Math.min(...boxes.map(({ left }) => left))).toBeGreaterThanOrEqual(0);
    // The narrow panels refer to the cells of the full picture.
    const missing = await page.evaluate(
      "[...document.querySelectorAll('.narrow-ports use')].filter((use) => !document.querySelector(use.getAttribute('href') + ' .lit')).length",
    );
    expect(missing).toBe(0);
    await page.close();
  });

  it("fits a phone's width, and prints on white", async () => {
    const { page } = await open("lab-report", await renderReport(LAB), "dark");
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    expect(await findClipped(page)).toEqual([]);
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    await expectScheme(page, "light");
    await page.close();
  });
});

const DRAWN = { role: "img", isNamed: true, hasMarks: true, hasAxis: true, isInside: true };

interface DrawnChart {
  readonly title: string;
  readonly role: string;
  /** Returns whether the elements for its title and description exist under the IDs that it refers to. */
  readonly isNamed: boolean;
  /** Returns whether anything of nonzero size is drawn besides axes and grid. */
  readonly hasMarks: boolean;
  readonly hasAxis: boolean;
  /** Returns whether all texts and marks are within the page. */
  readonly isInside: boolean;
}

async function describeCharts(page: Page): Promise<DrawnChart[]> {
  return page.evaluate(`[...document.querySelectorAll("svg.chart")].map((svg) => {
    const ids = svg.getAttribute("aria-labelledby").split(" ");
    const marks = [...svg.querySelectorAll("g[aria-label]:not([aria-label*=axis]):not([aria-label*=grid]) :is(path,circle,rect,line)")];
    const boxes = marks.map((mark) => mark.getBoundingClientRect());
    const texts = [...svg.querySelectorAll("text")].map((text) => text.getBoundingClientRect());
    return {
      title: svg.querySelector("title").textContent,
      role: svg.getAttribute("role"),
      isNamed: ids.length === 2 && ids.every((id) => document.querySelectorAll("#" + id).length === 1 && document.getElementById(id).textContent !== ""),
      hasMarks: boxes.filter(({ width, height }) => width + height > 8).length >= 2,
      hasAxis: svg.querySelectorAll("g[aria-label$='tick label'] text").length >= 2 && svg.querySelector("g[aria-label$='axis label']") !== null,
      isInside: [...boxes, ...texts].every(({ left, right }) => left >= 0 && right <= innerWidth),
    };
  })`);
}

/**
 * Returns the elements that a narrow page does not show in full: those beyond its edges, or inside an element that
 * scrolls or clips.
 */
async function findClipped(page: Page): Promise<string[]> {
  return page.evaluate(`[...document.querySelectorAll("main *")].flatMap((element) => {
    const { left, right, width, height } = element.getBoundingClientRect();
    if (width === 0 || height === 0 || element.closest(".hidden,defs")) return [];
    const isOutside = left < -0.5 || right > innerWidth + 0.5;
    const isCut = element.clientWidth > 0 && !(element instanceof SVGElement) && element.scrollWidth > element.clientWidth + 1;
    if (!isOutside && !isCut) return [];
    return [element.tagName + "." + element.getAttribute("class") + " " + Math.round(left) + "-" + Math.round(right) + " " + element.textContent.slice(0, 40)];
  })`);
}

async function expectScheme(page: Page, scheme: "light" | "dark"): Promise<void> {
  const [paper, ink] = await page.evaluate<string[]>(
    "(({ backgroundColor, color }) => [backgroundColor, color])(getComputedStyle(document.body))",
  );
  expect(luminance(paper!) > 128).toBe(scheme === "light");
  expect(luminance(ink!) > 128).toBe(scheme === "dark");
}
