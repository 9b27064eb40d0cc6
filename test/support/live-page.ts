// Clients of the live page of a run: plain HTTP requests, and tabs of Chromium.
import { type IncomingHttpHeaders, request } from "node:http";
import type { Browser, Page } from "playwright-core";
import type { TestProcess } from "./process.js";
import { until } from "./until.js";

/** Returns the address that a run has printed, with its token. */
export async function pageOf(run: TestProcess): Promise<URL> {
  const found = await until(
    "the address of the live page",
    () => /live page: (\S+)\n/.exec(run.stderr) ?? (run.isRunning ? undefined : `ended: ${run.stderr}`),
    (seen) => seen !== undefined,
  );
  return new URL(found![1]!);
}

/**
 * Sends a request with any headers, including those that fetch() does not allow.
 */
export function ask(
  url: URL | string,
  { method = "GET", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      response.on("error", reject);
    });
    sent.on("error", reject).end();
  });
}

export interface Tab {
  readonly page: Page;
  /** Console output, errors, and requests to anything but the page's own server. */
  readonly complaints: string[];
}

export async function openTab(
  browser: Browser,
  url: URL,
  { width = 1300, scheme = "light" as "light" | "dark" } = {},
): Promise<Tab> {
  const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height: 900 } });
  const complaints: string[] = [];
  page.on("console", (message) => {
    // The tests themselves read canvases back.
    if (!message.text().includes("willReadFrequently")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (asked) => {
    if (new URL(asked.url()).origin !== url.origin && !/^(data|blob|about):/.test(asked.url()))
      complaints.push(`asked for ${asked.url()}`);
  });
  await page.goto(url.href);
  return { page, complaints };
}
