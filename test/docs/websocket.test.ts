// Runs the commands of docs/protocols/websocket.md verbatim, in their own network namespace.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { listeningAt } from "../support/kernel.js";
import { commandsIn, deadLinks, readPage } from "../support/markdown.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { hasProgram, start, startInShell } from "../support/process.js";
import { until } from "../support/until.js";

const PAGE = "docs/protocols/websocket.md";
const blocks = commandsIn(readPage(PAGE));
const blockOf = (language: string) =>
  blocks.find((block) => block.startsWith(`${language}\n`))!.slice(language.length + 1);

it.runIf(hasProgram("nginx") && canMakeNamespaces())("works as described", async () => {
  enterNamespace();
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-websocket-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "nginx.conf"), blockOf("nginx").replace("error_log stderr", "error_log error.log"));
  start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-g", "master_process off;"]);
  const [serve, idle, talking] = blockOf("sh").trim().split("\n");
  const server = startInShell(serve!);
  await server.prints(/listening on/);
  await until("nginx listens", () => listeningAt({ ip: "127.0.0.1", port: 8080 }) === 1);
  for (const line of [idle!, talking!]) {
    const { code, stdout } = await startInShell(line).exited(60_000);
    expect(stdout).toMatch(/^target met: /);
    expect(stdout).toMatch(/ready +(1,000|200) \(upgraded to WebSocket\)/);
    expect(code).toBe(0);
  }
  await server.kill("SIGTERM");
  expect(server.stdout).toMatch(/ready +1,200/);
});

it("has no dead link", () => {
  expect(deadLinks(PAGE)).toEqual([]);
});
