// Runs the commands of docs/protocols/http.md verbatim, in their own network namespace.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { listeningAt } from "../support/kernel.js";
import { commandsIn, deadLinks, readPage } from "../support/markdown.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { hasProgram, start, startInShell } from "../support/process.js";
import { until } from "../support/until.js";

const PAGE = "docs/protocols/http.md";
const blocks = commandsIn(readPage(PAGE));
const blocksOf = (language: string) =>
  blocks.filter((block) => block.startsWith(`${language}\n`)).map((block) => block.slice(language.length + 1));

const canRun = hasProgram("nginx") && hasProgram("openssl") && hasProgram("curl") && canMakeNamespaces();

it.runIf(canRun)("works as described", async () => {
  enterNamespace();
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-http-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const shell = (line: string) => startInShell(line, folder);
  const [pool, push] = blocksOf("sh").map((block) => block.trim().split("\n")) as [string[], string[]];
  const [certificate, serve, idle, requests, churn, number] = pool;
  expect((await shell(certificate!).exited()).code).toBe(0);
  writeFileSync(join(folder, "nginx.conf"), blocksOf("nginx")[0]!.replace("error_log stderr", "error_log error.log"));
  start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-g", "master_process off;"]);
  const server = shell(serve!);
  await server.prints(/listening on/);
  await until("nginx listens", () => listeningAt({ ip: "127.0.0.1", port: 8443 }) === 1);
  for (const [line, connections] of [
    [idle!, "500"],
    [requests!, "100"],
    [churn!, "2,000"],
    [number!, "100"],
  ] as const) {
    const { code, stdout } = await shell(line).exited(60_000);
    expect(stdout).toMatch(/^target met: /);
    expect(stdout).toMatch(new RegExp(`ready +${connections} \\(first request answered\\)`));
    expect(stdout).toMatch(/responses +[\d,]+ × 2xx\n/);
    expect(code).toBe(0);
  }
  await server.kill("SIGTERM");
  expect(server.stdout).toMatch(/responses +[\d,]+ × 2xx\n/);
  for (const line of push) await shell(line).prints(/listening on/);
  const events = start("curl", ["-sN", "--max-time", "60", "http://127.0.0.1:8080/events"]);
  await events.prints(/data: tick\n\n/);
});

it("has no dead link", () => {
  expect(deadLinks(PAGE)).toEqual([]);
});
