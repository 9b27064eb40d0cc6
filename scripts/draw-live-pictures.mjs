// Draws the pictures of docs/live.md: the live page of a real run on this host, in light and dark, while it opens
// connections.
// Usage: node scripts/draw-live-pictures.mjs [connections] (needs a build, and chromium)
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const [connections = "100000"] = process.argv.slice(2);
const SECONDS = 16;
/** Share of the connections that are open in the pictures. */
const SHARE = 0.7;
const SIZE = { width: 1300, height: 1010 };

/** @param {string[]} args */
function start(...args) {
  const child = spawn(process.execPath, [`${ROOT}dist/cli/main.js`, ...args, "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return { child, lines: createInterface({ input: child.stdout }) };
}

const server = start("serve", "127.0.0.1:7777", "--mode", "echo", "--log", "none");
await once(server.lines, "line");
const ramp = ["-c", connections, "--connect-rate", `${Number(connections) / SECONDS}`, "-T", "forever"];
const client = start("connect", ":7777", ...ramp, "-m", "ping", "-r", "0.02", "--ui", "127.0.0.1:0");
const [first] = await once(client.lines, "line");
const { ui } = JSON.parse(first);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
try {
  /** @type {("light" | "dark")[]} */
  const schemes = ["light", "dark"];
  const tabs = await Promise.all(
    schemes.map(async (colorScheme) => {
      const tab = await browser.newPage({ viewport: SIZE, colorScheme });
      await tab.goto(ui);
      return { tab, colorScheme };
    }),
  );
  for await (const line of client.lines) {
    const { open, ready = open } = JSON.parse(line);
    if (ready >= Number(connections) * SHARE) break;
  }
  for (const { tab, colorScheme } of tabs)
    await tab.screenshot({ path: `${ROOT}docs/pictures/live-${colorScheme}.png` });
} finally {
  await browser.close();
  for (const { child } of [client, server]) {
    child.kill("SIGINT");
    await once(child, "exit");
  }
}
