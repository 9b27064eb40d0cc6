// Tests `fourtuple report` end to end: the file it writes, its messages, and what it rejects.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress } from "../../support/address.js";
import { ROOT } from "../../support/library.js";
import { startServer } from "../../support/peers.js";
import { runCli, startCli } from "../../support/process.js";
import { connectResult } from "../../support/results.js";

const LAB = `${ROOT}test/output/fixtures/lab.json`;

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-report-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe("fourtuple report", () => {
  it("writes the page next to a run's result, and prints its size", async () => {
    const { address } = await startServer();
    const run = await runCli(["connect", `${address.ip}:${address.port}`, "-c", "50", "-T", "0", "--json"]);
    const file = join(directory(), "run.json");
    writeFileSync(file, run.stdout);
    const { code, stdout, stderr } = await runCli(["report", file]);
    const page = file.replace(".json", ".html");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`^${page}: [\\d.]+ KiB\n$`));
    expect(readFileSync(page, "utf8")).toContain("<h1>All 50 connections opened</h1>");
  });

  it("writes a lab's page to the given file, repeatedly", async () => {
    const page = join(directory(), "lab.html");
    writeFileSync(page, "older");
    const { code } = await runCli(["report", LAB, "-o", page]);
    expect(code).toBe(0);
    expect(statSync(page).size).toBeGreaterThan(10_000);
  });

  it("renders a server's output, with its events or only the result", async () => {
    const server = startCli(["serve", `${ownAddress()}:0`, "--log", "all", "--json"]);
    const [, at] = await server.prints(/"port":(\d+)/);
    const ip = JSON.parse(server.stdout.split("\n")[0]!).ip;
    await runCli(["connect", `${ip}:${at}`, "-c", "30", "-T", "0", "--json"]);
    server.child.kill("SIGINT");
    const { stdout } = await server.exited();
    expect(stdout.trim().split("\n").length).toBeGreaterThan(30);
    for (const text of [stdout, stdout.trim().split("\n").at(-1)!]) {
      const file = join(directory(), "serve.json");
      writeFileSync(file, text);
      const { code, stderr } = await runCli(["report", file]);
      expect([code, stderr]).toEqual([0, ""]);
      const page = readFileSync(file.replace(".json", ".html"), "utf8");
      expect(page).toContain(`<h1>30 connections at once on ${ip}:${at}</h1>`);
      expect(page).toMatch(/<dt>Accepted<\/dt><dd>30</);
    }
  });

  it("reads standard input and writes standard output", async () => {
    const input = readFileSync(LAB, "utf8");
    const { code, stdout } = await runCli(["report", "-", "-o", "-"], { input });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
  });

  it("exits with 1 if it cannot write", async () => {
    const { code, stderr } = await runCli(["report", LAB, "-o", "/nowhere/lab.html"]);
    expect(stderr).toMatch(
      /^Fatal error: \/nowhere\/lab\.html cannot be written: ENOENT[\s\S]*fix: use an existing directory/,
    );
    expect(code).toBe(1);
  });

  it.each<[string, unknown, RegExp]>([
    [
      "another program's file",
      { name: "x" },
      /kind is missing[\s\S]*`fourtuple connect --json` or `fourtuple serve --json` or `fourtuple lab --json`/,
    ],
    ["a prediction", { kind: "prediction" }, /kind is "prediction"/],
    [
      "a result with an invalid field",
      { ...connectResult(), plan: { tuplesAvailable: "many" } },
      /plan\.tuplesAvailable is invalid/,
    ],
  ])("rejects %s with exit code 2, names the field, and writes nothing", async (_, value, said) => {
    const file = join(directory(), "run.json");
    writeFileSync(file, JSON.stringify(value));
    const { code, stderr } = await runCli(["report", file]);
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
    expect(existsSync(file.replace(".json", ".html"))).toBe(false);
  });

  it.each<[string, string[], RegExp]>([
    ["no file name", ["report"], /missing required argument[\s\S]*usage: fourtuple report/],
    ["a missing file", ["report", "/nowhere/run.json"], /cannot be read/],
    ["a file that is not JSON", ["report", "README.md"], /README\.md is not JSON/],
  ])("rejects %s with exit code 2", async (_, args, said) => {
    const { code, stderr } = await runCli(args);
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
  });

  it("loads pages and schemas, which no other command does", async () => {
    const heavy = /\/dist\/bundle\/(render|schemas)-/;
    expect(await modulesOf("ports", "--help")).not.toMatch(heavy);
    expect(await modulesOf("connect", "--help")).not.toMatch(heavy);
    expect(await modulesOf("report", LAB, "-o", "-")).toMatch(heavy);
  });
});

/** Returns the modules that a command loaded, from V8's coverage files. */
async function modulesOf(...args: string[]): Promise<string> {
  const path = directory();
  await runCli(args, { env: { NODE_V8_COVERAGE: path } });
  const files = readdirSync(path).map((file) => JSON.parse(readFileSync(join(path, file), "utf8")));
  return files.flatMap(({ result }) => result.map(({ url }: { url: string }) => url)).join("\n");
}
