// Tests the live page in Chromium while a run is going on: it shows what the kernel shows, follows the run to its report,
// and stops it. Screenshots are kept in artifacts/.

import { mkdirSync, readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabFeed } from "../../../dist/output/live/lab-feed.js";
import { LiveServer } from "../../../dist/output/live/server.js";
import type { ExperimentResult } from "../../../src/results/lab/lab.js";
import { ownAddress } from "../../support/address.js";
import { CHROMIUM, launchChromium, luminance } from "../../support/chromium.js";
import { clientEndsInSs } from "../../support/kernel.js";
import { ROOT } from "../../support/library.js";
import { openTab, pageOf } from "../../support/live-page.js";
import { canMakeNamespaces, enterNamespaceUntil } from "../../support/namespace.js";
import { startServer } from "../../support/peers.js";
import { startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const ARTIFACTS = `${ROOT}artifacts/`;
const CONNECTIONS = 2000;
const LOOK = { timeout: 25_000 };
/** Each wait has its own deadline. On a busy host, drawing a dozen visits takes a while. */
const LIMIT_MS = 300_000;

describe.skipIf(!CHROMIUM)("the live page in Chromium", () => {
  let browser: Browser;
  /** Undefined without privileges; then this file shares ports with other programs. */
  let leaveNamespace: (() => void) | undefined;

  beforeAll(async () => {
    mkdirSync(ARTIFACTS, { recursive: true });
    if (canMakeNamespaces()) leaveNamespace = enterNamespaceUntil();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    leaveNamespace?.();
  });

  it("shows a run of the client while it goes on, to pages that come early and late, and stops it", {
    timeout: LIMIT_MS,
  }, async () => {
    const server = await startServer({ mode: "echo" });
    const { ip, port } = server.address;
    const run = startCli([
      ...["connect", `${ip}:${port}`, "-c", `${CONNECTIONS}`, "--connect-rate", "1000", "-T", "1h"],
      ...["-m", "ping", "-r", "0.5", "--ui", `${ownAddress()}:0`],
    ]);
    const url = await pageOf(run);
    const wide = await openTab(browser, url, { width: 1600 });
    await wide.page.waitForSelector(".phases li[aria-current]", LOOK);
    await shows(wide.page, `${TILE}("Open") === "2,000" && ${TILE}("Messages") !== undefined`);
    await shows(wide.page, "document.title.includes('holding')");
    const late = await readPage(wide.page);

    // The curves go on, and each chart has a colour of its own besides the grid's.
    expect(late.charts.map(({ title }) => title)).toEqual([
      ...["Connections", "Opened per second", "Latency: connect", "Latency: round trip", "Messages per second"],
      ...["Memory", "CPU of this process"],
    ]);
    expect(late.charts[0]!.label).toBe("Connections over time: now open 2,000, requested 2,000");
    const sent = await wide.page.evaluate<string>(`${TILE}("Messages")`);
    await shows(wide.page, `${TILE}("Messages") !== ${JSON.stringify(sent)}`);
    await until(
      "every chart has a curve",
      async () => (await readPage(wide.page)).charts.map(({ pixels }) => pixels),
      (pixels) => Math.min(...pixels) > 100,
    );

    // Once the newest event is drawn, the lit pixels are the ports in the kernel's table. Ports that others have, and that
    // the run has skipped therefore, are lit as well.
    await until(
      "the port map shows the kernel's ports",
      async () => {
        const [lit, kernel, others] = [await litPorts(wide.page), await sourcePortsTo(ip, port), portsInUse()];
        return {
          missing: kernel.filter((each) => !lit.includes(each)).slice(0, 9),
          extra: lit.filter((each) => !others.has(each)).slice(0, 9),
        };
      },
      ({ missing, extra }) => missing.length + extra.length === 0,
    );
    expect(await sourcePortsTo(ip, port)).toHaveLength(CONNECTIONS);
    expect(late.limits).toContain("4-tuples of the plan");
    expect(await scheme(wide.page)).toBe("light");
    expect(await overflow(wide.page)).toBeLessThanOrEqual(0);
    await wide.page.screenshot({ path: `${ARTIFACTS}live-light.png`, fullPage: true });

    // A page that comes late, or is reloaded, shows the run from its start.
    const phone = await openTab(browser, url, { width: 390, scheme: "dark" });
    for (const visit of ["first", "reloaded"]) {
      await shows(phone.page, `${TILE}("Open") === "2,000"`);
      await phone.page.locator("#figures summary").click();
      const phases = await phone.page.locator("#history tbody tr td:nth-child(2)").allTextContents();
      expect(phases[0], visit).toBe("holding");
      expect(phases.at(-1), visit).toBe("opening");
      expect(await overflow(phone.page), visit).toBeLessThanOrEqual(0);
      if (visit === "first") await phone.page.reload();
    }
    expect(await scheme(phone.page)).toBe("dark");
    await phone.page.screenshot({ path: `${ARTIFACTS}live-dark-phone.png` });

    // By keyboard: the cursor of a chart.
    await wide.page.locator(".plot").first().focus();
    await wide.page.keyboard.press("Home");
    expect(await wide.page.locator(".readout").first().textContent()).toMatch(/at \d/);

    // Ten visits of a page that comes and goes, while the others stay.
    const visitor = await openTab(browser, url, { width: 400 });
    for (let visit = 0; visit < 10; visit++) {
      await shows(visitor.page, `${TILE}("Open") === "2,000"`);
      await visitor.page.goto("about:blank");
      await visitor.page.goto(url.href);
    }
    await visitor.page.close();
    expect(server.snapshot().open).toBe(CONNECTIONS);

    // Stop, pressed twice, ends the run in order, and the pages become its report.
    const stop = wide.page.getByRole("button", { name: "Stop the run" });
    await stop.click();
    await wide.page.getByRole("button", { name: "Press again to stop" }).click();
    const save = wide.page.getByRole("button", { name: "Save the report" });
    await save.waitFor(LOOK);
    expect(await wide.page.locator("h1").textContent()).toBe("Interrupted: 2,000 of 2,000 connections");
    expect(await wide.page.locator("svg.chart").count()).toBeGreaterThan(1);
    const [download] = await Promise.all([wide.page.waitForEvent("download", LOOK), save.click()]);
    expect(download.suggestedFilename()).toBe("fourtuple-connect.html");
    expect(readFileSync(await download.path(), "utf8")).toMatch(/^<!doctype html>[\s\S]*Interrupted: 2,000 of 2,000/);
    await phone.page.getByRole("button", { name: "Save the report" }).waitFor(LOOK);
    await wide.page.screenshot({ path: `${ARTIFACTS}live-report.png` });
    const { code, stdout } = await run.exited();
    expect(stdout).toMatch(/ESTABLISHED +2,000/);
    expect(code).toBe(130);
    expect(await sourcePortsTo(ip, port)).toEqual([]);
    for (const { complaints } of [wide, phone, visitor]) expect(complaints).toEqual([]);
  });

  it("shows the experiments of a lab with their verdicts, and no port map", { timeout: LIMIT_MS }, async () => {
    const live = await LiveServer.open(ownAddress(), 0, () => undefined);
    const feed = new LabFeed(["E1", "E2"].map((id) => ({ id, title: `title of ${id}`, claim: `claim of ${id}` })));
    feed.begin("E1");
    live.show(feed);
    const { page, complaints } = await openTab(browser, new URL(live.url), { width: 390 });
    const shown = `[...document.querySelectorAll("#experiments tbody tr")].map((row) => row.innerText.split(/\\s+/).join(" ")).join("|")`;
    await shows(page, `${shown} === "E1 title of E1 claim of E1 running |E2 title of E2 claim of E2 not run yet "`);
    feed.end({ verdict: "confirmed", observed: "as predicted", elapsedMs: 2000 } as ExperimentResult);
    feed.begin("E2");
    feed.progress("opening");
    await shows(page, `${shown} === "E1 title of E1 as predicted confirmed 2 s|E2 title of E2 opening running "`);
    await shows(page, `document.title === "0 open · E2 · fourtuple" && ${TILE}("Confirmed") === "1"`);
    expect(await page.locator("#ports-section, #failures-section").filter({ visible: true }).count()).toBe(0);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await live.end({ report: undefined, file: "", failure: "the test is over" });
    await shows(page, `document.querySelector("#status").textContent === "The run failed: the test is over"`);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("shows a server, and has no stop button without the token", { timeout: LIMIT_MS }, async () => {
    const at = ownAddress();
    const run = startCli(["serve", `${at}:0`, "--ui", `${ownAddress()}:0`]);
    const url = await pageOf(run);
    const { page, complaints } = await openTab(browser, new URL("/", url));
    await shows(page, `${TILE}("Open") === "0"`);
    const [, port] = await run.prints(/listening on [\d.]+:(\d+)/);
    const client = startCli(["connect", `${at}:${port}`, "-c", "300", "-T", "forever"]);
    await shows(page, `${TILE}("Open") === "300"`);
    expect(await page.locator("#maps figcaption").textContent()).toContain("1 port, 300 connections");
    expect(await page.getByRole("button", { name: "Stop the run" }).count()).toBe(0);
    await client.kill("SIGINT");
    await run.kill("SIGINT");
    await page.getByRole("button", { name: "Save the report" }).waitFor(LOOK);
    expect(await page.locator("h1").textContent()).toContain("300 connections at once");
    expect(complaints).toEqual([]);
  });
});

/** Source of a function that returns the figure of a tile by its name. */
const TILE = `((name) => [...document.querySelectorAll("#tiles div")].find((tile) => tile.querySelector("dt").textContent === name)?.querySelector("dd").firstChild.data)`;

/** Waits until an expression is true on a page, whose policy forbids Playwright's own way to wait for one. */
async function shows(page: Page, expression: string): Promise<void> {
  await until(`${expression} on the page`, () => page.evaluate<boolean>(expression));
}

interface Seen {
  readonly charts: readonly { readonly title: string; readonly label: string; readonly pixels: number }[];
  readonly limits: string;
}

/** Returns the visible charts, with the number of pixels that have a colour, and the table of limits. */
async function readPage(page: Page): Promise<Seen> {
  return page.evaluate(`(() => {
    const coloured = (canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) {
        const [red, green, blue, alpha] = data.subarray(at, at + 4);
        if (alpha > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40) count++;
      }
      return count;
    };
    const charts = [...document.querySelectorAll(".chart")].filter(({ hidden }) => !hidden).map((chart) => ({
      title: chart.querySelector("h2").textContent,
      label: chart.querySelector(".plot").getAttribute("aria-label"),
      pixels: coloured(chart.querySelector("canvas")),
    }));
    return { charts, limits: document.querySelector("#limits").textContent };
  })()`);
}

/** Returns the lit ports of the client's map: those that differ from the first port, but are no line across. */
async function litPorts(page: Page): Promise<number[]> {
  return page.evaluate(`(() => {
    const { data } = document.querySelector("#maps canvas").getContext("2d").getImageData(0, 0, 256, 256);
    const at = (port) => data[port * 4] + "," + data[port * 4 + 1] + "," + data[port * 4 + 2];
    const unlit = new Set([at(0), at(64 * 256)]);
    return Array.from({ length: 65536 }, (_, port) => port).filter((port) => !unlit.has(at(port)));
  })()`);
}

/** Returns the source ports of the connections to a server, from the kernel's table. */
async function sourcePortsTo(ip: string, port: number): Promise<number[]> {
  const ends = await clientEndsInSs(ip, port);
  return [...ends].map((end) => Number(/:(\d+) /.exec(end)![1]));
}

/** Returns the local ports of all sockets, from the kernel's table. */
function portsInUse(): Set<number> {
  const lines = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, "utf8").trim().split("\n").slice(1),
  );
  return new Set(lines.map((line) => Number.parseInt(/:([0-9A-F]{4}) /.exec(line)![1]!, 16)));
}

async function scheme(page: Page): Promise<"light" | "dark"> {
  const colour = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
  return luminance(colour) > 128 ? "light" : "dark";
}

/** Returns by how many pixels the page is wider than its window. */
async function overflow(page: Page): Promise<number> {
  return page.evaluate("document.documentElement.scrollWidth - innerWidth");
}
