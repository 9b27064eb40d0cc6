// Tests that the file in docs/own-protocol.md works as printed. commands.test.ts runs its commands.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type * as Load from "../../src/protocols/scripted/file/load.js";
import { tryOut } from "../../src/protocols/scripted/trial/trial.js";
import { parseAddress } from "../../src/protocols/spec/address.js";
import { scriptedSpec } from "../../src/protocols/spec/scripted.js";
import { ROOT } from "../support/library.js";
import { commandsIn, deadLinks, readPage } from "../support/markdown.js";

const { loadScript } = (await import(`${ROOT}dist/protocols/scripted/file/load.js`)) as typeof Load;

const PAGE = "docs/own-protocol.md";

it("has a file that works", async () => {
  const block = commandsIn(readPage(PAGE)).find((each) => each.startsWith("js\n"))!;
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/fourtuple"));
  writeFileSync(join(folder, "numbers.mjs"), block.slice(3));
  const script = await loadScript(join(folder, "numbers.mjs"));
  const address = parseAddress("127.0.0.1:1");
  const specOf = (side: "client" | "server") => scriptedSpec(address, { protocol: "x" }, { script, side }, undefined);
  const { checks } = tryOut(script.definition, { client: specOf("client"), server: specOf("server") });
  expect(checks.filter(({ problem }) => problem !== undefined)).toEqual([]);
});

it("has no dead link", () => {
  expect(deadLinks(PAGE)).toEqual([]);
});
