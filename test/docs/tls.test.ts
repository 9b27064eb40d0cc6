// Runs the commands of docs/protocols/tls.md verbatim, in their own network namespace.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { commandsIn, deadLinks, readPage } from "../support/markdown.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { hasProgram, startInShell } from "../support/process.js";

const PAGE = "docs/protocols/tls.md";
const block = commandsIn(readPage(PAGE)).find((text) => text.startsWith("sh\n"))!;

it.runIf(hasProgram("openssl") && canMakeNamespaces())("works as described", async () => {
  enterNamespace();
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-tls-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const shell = (line: string) => startInShell(line, folder);
  const [certificate, serve, talking, resuming] = block.slice(3).trim().split("\n");
  expect((await shell(certificate!).exited()).code).toBe(0);
  const server = shell(serve!);
  await server.prints(/listening on 127.0.0.1:7777\ncertificate, SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}\n/);
  const talked = await shell(talking!).exited(60_000);
  expect(talked).toMatchObject({ code: 0, stdout: expect.stringMatching(/^target met: 500 connections/) });
  expect(talked.stdout).toMatch(/TLS +500 handshakes\n/);
  const resumed = await shell(resuming!).exited(60_000);
  expect(resumed).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/TLS +500 handshakes: \d+ full, \d+ resumed/),
  });
  await server.kill("SIGTERM");
  expect(server.stdout).toMatch(/TLS +1,000 handshakes: \d+ full, \d+ resumed/);
});

it("has no dead link", () => {
  expect(deadLinks(PAGE)).toEqual([]);
});
