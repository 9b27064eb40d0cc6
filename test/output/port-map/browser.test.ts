// Tests the page of the port map in Chromium, in both colour schemes, by its pixels.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cellsOf, type PortMap } from "../../../src/output/port-map/cells.js";
import { portMapHtml } from "../../../src/output/port-map/html.js";
import { CHROMIUM, launchChromium, openFile } from "../../support/chromium.js";

const MAP: PortMap = {
  title: "64,512 connections, one port",
  caption: "64,512 connections share one local port.",
  fields: [
    {
      ip: "127.0.0.1",
      role: "server",
      ports: cellsOf({ first: 7777, last: 7777 }),
      sockets: 64_512,
      known: [{ port: 7777, name: "listening", sockets: 64_512 }],
    },
    { ip: "127.0.0.2", role: "client", ports: cellsOf({ first: 1024, last: 65_535 }), sockets: 64_512 },
  ],
  ephemeral: { first: 32_768, last: 60_999 },
  source: "sock_diag",
};

/** Time for a browser on a busy host to process a pointer event. */
const SOON = { timeout: 15_000 };

describe.skipIf(!CHROMIUM)("the page in Chromium", () => {
  const directory = mkdtempSync(join(tmpdir(), "fourtuple-map-"));
  const file = join(directory, "map.html");
  let browser: Browser;

  beforeAll(async () => {
    writeFileSync(file, portMapHtml(MAP));
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true });
  });

  const open = (scheme: "light" | "dark") => openFile(browser, file, scheme);

  it.each(["light", "dark"] as const)("draws every cell without errors, in %s", async (scheme) => {
    const { page, complaints } = await open(scheme);
    const [server, client] = await fieldColours(page);
    const { background } = client!;
    expect(luminance(background) > 128).toBe(scheme === "light");
    // Four rows of 256 ports are unused; the rest of the field is in use.
    expect(client!.litShare).toBeGreaterThan(0.97);
    expect(client!.litShare).toBeLessThan(0.995);
    expect(server!.litShare).toBeGreaterThan(0);
    expect(server!.litShare).toBeLessThan(0.05);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("describes the port under the pointer", async () => {
    const { page, complaints } = await open("light");
    const tip = page.locator("#tip");
    await pointAt(page, 0, 7777);
    await expect.poll(() => tip.textContent(), SOON).toContain("127.0.0.1:7777");
    expect(await tip.textContent()).toContain("listening, shared by 64,512 connections");
    await pointAt(page, 1, 40_000);
    await expect.poll(() => tip.textContent(), SOON).toContain("127.0.0.2:40000");
    expect(await tip.textContent()).toContain("1024–65535 (64,512 in a row)");
    await pointAt(page, 1, 300);
    await expect.poll(() => tip.textContent(), SOON).toContain("not in use");
    expect(complaints).toEqual([]);
    await page.close();
  });
});

async function pointAt(page: Page, field: number, port: number): Promise<void> {
  const box = (await page.locator(".field .panel").nth(field).boundingBox())!;
  const cell = box.width / 256;
  await page.mouse.move(box.x + ((port % 256) + 0.5) * cell, box.y + (Math.floor(port / 256) + 0.5) * cell);
}

interface FieldColours {
  readonly background: readonly number[];
  /** Share of coloured pixels: panels are grey, ports in use are not. */
  readonly litShare: number;
}

/** Reads the pixels of a screenshot inside the page. */
async function fieldColours(page: Page): Promise<FieldColours[]> {
  const image = `data:image/png;base64,${(await page.screenshot()).toString("base64")}`;
  const boxes = await page.locator(".field .panel").all();
  const areas = await Promise.all(boxes.map(async (box) => (await box.boundingBox())!));
  return page.evaluate(`(async () => {
    const image = await createImageBitmap(await (await fetch(${JSON.stringify(image)})).blob());
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return ${JSON.stringify(areas)}.map(({ x, y, width, height }) => {
      const { data } = context.getImageData(Math.ceil(x) + 1, Math.ceil(y) + 1, Math.floor(width) - 2, Math.floor(height) - 2);
      let lit = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 60) lit++;
      }
      return { background: [...context.getImageData(2, 2, 1, 1).data], litShare: lit / (data.length / 4) };
    });
  })()`);
}

function luminance([red, green, blue]: readonly number[]): number {
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}
