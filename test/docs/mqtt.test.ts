// Runs the commands of docs/protocols/mqtt.md verbatim, in their own network namespace.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { listeningAt } from "../support/kernel.js";
import { commandsIn, deadLinks, readPage } from "../support/markdown.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { hasProgram, start, startInShell } from "../support/process.js";
import { until } from "../support/until.js";

const PAGE = "docs/protocols/mqtt.md";
const blocks = commandsIn(readPage(PAGE));
const blockOf = (language: string) =>
  blocks.find((block) => block.startsWith(`${language}\n`))!.slice(language.length + 1);

it.runIf(hasProgram("mosquitto") && canMakeNamespaces())("works as described", async () => {
  enterNamespace();
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-mqtt-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "mosquitto.conf"), blockOf("conf"));
  start("mosquitto", ["-c", join(folder, "mosquitto.conf")]);
  await until("mosquitto listens", () => listeningAt({ ip: "127.0.0.1", port: 1883 }) === 1);
  const [idle, publishing, measuring] = blockOf("sh").trim().split("\n");
  const run = async (line: string) => {
    const { code, stdout, stderr } = await startInShell(line).exited(60_000);
    expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/^target met: /), expect.any(String)]);
    return stdout;
  };
  expect(await run(idle!)).toMatch(/ready +1,000 \(accepted by CONNACK\)[\s\S]*pings sent[\s\S]*CONNACK +\d/);
  expect(await run(publishing!)).toMatch(/ready +200[\s\S]*acknowledged by the broker[\s\S]*round trip +\d/);
  expect(await run(measuring!)).toMatch(/deliveries +[\d,]+ received, 0 lost, 0 repeated[\s\S]*delivery +\d/);
});

it("has no dead link", () => {
  expect(deadLinks(PAGE)).toEqual([]);
});
