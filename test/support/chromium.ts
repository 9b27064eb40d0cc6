// Runs Chromium headless: renders a page as a user sees it, and collects everything it reports.
import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";

export const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!CHROMIUM) console.warn("skipped: chromium is not installed (apt-get install chromium to run these tests)");

export async function launchChromium(): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  return chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
}

export interface OpenPage {
  readonly page: Page;
  /** Console output, errors, and requests for anything but the page's own file. */
  readonly complaints: string[];
}

export async function openFile(browser: Browser, file: string, colorScheme: "light" | "dark"): Promise<OpenPage> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1300, height: 960 } });
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (request.url() !== `file://${file}` && !request.url().startsWith("data:")) {
      complaints.push(`asked for ${request.url()}`);
    }
  });
  await page.goto(`file://${file}`);
  return { page, complaints };
}

/** Returns the relative luminance of `rgb(…)`, from 0 to 255. */
export function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
