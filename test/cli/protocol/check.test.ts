// Tests `fourtuple protocol new` and `check` as a newcomer uses them.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { ROOT } from "../../support/library.js";
import { runCli } from "../../support/process.js";

/** Returns a folder in which the package is installed. */
function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-protocol-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/fourtuple"));
  return folder;
}

it("what new writes passes check, and is not overwritten", async () => {
  const file = join(ownFolder(), "chat.mjs");
  expect((await runCli(["protocol", "new", file])).code).toBe(0);
  const { code, stdout } = await runCli(["protocol", "check", file, "-c", "200", "-T", "200ms"]);
  expect(stdout).toMatch(/state +17 B per connection \(client\), 17 B \(server\)/);
  for (const name of ["in whole pieces", "byte by byte", "cut at every position", "closed in every state"]) {
    expect(stdout).toMatch(new RegExp(`${name} +ok\n`));
  }
  expect(stdout).toMatch(/200 connections +200 ready/);
  expect(code).toBe(0);
  const before = readFileSync(file, "utf8");
  const again = await runCli(["protocol", "new", file]);
  expect(again).toMatchObject({ code: 2 });
  expect(again.stderr).toContain("already exists");
  expect(readFileSync(file, "utf8")).toBe(before);
});

it("new says what check needs where the package is not installed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-protocol-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "chat.mjs");
  const { stdout } = await runCli(["protocol", "new", file]);
  const { code, stderr } = await runCli(["protocol", "check", file, "-c", "20", "-T", "100ms"]);
  // Node 22.15 and later find the package anyway.
  if (code === 0) expect(stdout).not.toContain("Before that");
  else {
    const [, fix] = /fix: (.*)/.exec(stderr)!;
    expect(stdout).toContain(`Before that, ${fix}.`);
  }
});

it("check fails for a protocol whose handler throws", async () => {
  const file = `${ROOT}test/support/scripts/line.mjs`;
  const options = { env: { THROW_AT: "1" } };
  const { code, stdout } = await runCli(["protocol", "check", file, "-c", "20", "-T", "1200ms"], options);
  expect(stdout).toMatch(/in whole pieces +FAILED: due\(\) failed for connection 1: Error: no more pings/);
  expect(code).toBe(1);
});

it("a handler that exits is named in both ways of checking, and a timer of the file does not keep the program alive", async () => {
  const file = join(ownFolder(), "exits.mjs");
  writeFileSync(
    file,
    `setInterval(() => undefined, 1000);
export default {
  name: "exits",
  client: { opened: (c) => c.send("x"), received() {} },
  server: {
    received() {
      process.exit(0);
    },
  },
};
`,
  );
  const { code, stdout } = await runCli(["protocol", "check", file, "-c", "5", "-T", "100ms"]);
  const failed =
    /FAILED: received\(\) failed for connection \d: Error: process\.exit\(\) in a handler.*\n +at .*exits\.mjs:7:/g;
  expect(stdout.match(failed)).toHaveLength(2);
  expect(code).toBe(1);
});
