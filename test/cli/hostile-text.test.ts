// Tests the commands with peers, processes, files and arguments that contain escape codes.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startForeignServer } from "../support/peers.js";
import { CLI_FILE, hasProgram, runCli, start } from "../support/process.js";
import { connectResult } from "../support/results.js";

const CODES = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[2J\x9b31m\u202e";
const FORGED = "\nclient address 10.6.6.6:666\nFatal error: forged";
const UNPRINTABLE = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-hostile-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe("data from a server on a single connection", () => {
  it.skipIf(!hasProgram("script"))(
    "is shown on a terminal with escapes, without control characters or forged lines",
    async () => {
      const server = await startForeignServer((socket) => socket.end(`hello\r\n${CODES}${FORGED}`));
      const line = `'${process.execPath}' '${CLI_FILE}' connect ${server.at}`;
      const { stdout } = await start("script", ["-qec", line, "/dev/null"]).exited();
      const text = stdout.replaceAll("\r\n", "\n");
      expect(text).not.toMatch(UNPRINTABLE);
      expect(text.match(/^client address /gm)).toHaveLength(1);
      expect(text).toContain("receive hello\\r\\n\\x1b]0;owned");
      expect(text).not.toMatch(/^Fatal error/m);
    },
  );

  it("is written to a pipe unchanged", async () => {
    const server = await startForeignServer((socket) => socket.end(`a\x1b[31mb\n`));
    const { stdout } = await runCli(["connect", server.at]);
    expect(stdout).toContain("receive a\x1b[31mb\n from server");
  });
});

describe("a process name", () => {
  it("appears in tables without escape codes", async () => {
    const program = `process.title = ${JSON.stringify(`\x1b[31m\n\x9bX`)};
      const server = require("node:net").createServer().listen(0, "127.0.0.1", () => console.log(server.address().port));`;
    const named = start(process.execPath, ["-e", program]);
    const port = (await named.prints(/^(\d+)$/m))[1]!;
    for (const options of [
      ["--process"],
      ["--process", "--listening"],
      ["--process", "--list"],
      ["--process", "--json"],
    ]) {
      const { stdout, code } = await runCli(["ports", `:${port}`, ...options]);
      expect(stdout, options.join(" ")).not.toMatch(UNPRINTABLE);
      expect(stdout, options.join(" ")).toMatch(/\?\[31m|\\u001b\[31m/);
      expect(code).toBe(0);
    }
  });
});

describe("a saved result", () => {
  it("is explained and rendered without escape codes", async () => {
    const file = join(folder(), "run.json");
    const result = { ...connectResult({ failures: [{ phase: "connect", errno: CODES + FORGED, count: 400 }] }) };
    writeFileSync(file, JSON.stringify({ ...result, destinations: [`${CODES}${FORGED}:7777`] }));
    for (const args of [
      ["doctor", "--explain", file],
      ["doctor", "--explain", file, "--json"],
      ["report", file, "-o", "-"],
    ]) {
      const { stdout, stderr } = await runCli(args);
      expect(stdout.length).toBeGreaterThan(20);
      expect(stdout + stderr, args.join(" ")).not.toMatch(UNPRINTABLE);
      expect(stdout + stderr, args.join(" ")).not.toMatch(/^Fatal error: forged|^client address/m);
    }
  });
});

describe("an argument in an error", () => {
  const nasty = CODES.replaceAll("\x00", "") + FORGED;
  const LINES: readonly (readonly [string, readonly string[]])[] = [
    ["a command", [nasty]],
    ["an option", ["connect", ":1", `--${nasty}`]],
    ["a choice", ["serve", ":0", "--mode", nasty]],
    ["an address", ["connect", `${nasty}:1`]],
    ["an address to serve", ["serve", nasty]],
    ["a count", ["connect", ":1", "-c", nasty]],
    ["a stage", ["connect", ":1", "--stage", nasty]],
    ["a source", ["connect", ":1", "--source-ip", nasty]],
    ["a port", ["connect", ":1", "--source-port", nasty]],
    ["a state", ["ports", "--state", nasty]],
    ["a peer", ["ports", "--peer", nasty]],
    ["a map", ["ports", "--map", nasty]],
    ["a file", ["report", nasty]],
    ["a page", ["report", "test/output/fixtures/lab.json", "-o", `/nowhere/${nasty}`]],
    ["an explanation", ["doctor", "--explain", nasty]],
    ["a journal", ["doctor", "--undo", "--journal", `/nowhere/${nasty}`]],
    ["an experiment", ["lab", "--only", nasty]],
    ["a target", ["doctor", "--target", nasty]],
  ];

  it.each(LINES)("%s is printed on one line without escape codes", async (_, args) => {
    const { stderr, stdout, code } = await runCli(args);
    expect(stderr).toMatch(/^Fatal error: /);
    expect(stderr + stdout).not.toMatch(UNPRINTABLE);
    expect(stderr).not.toMatch(/^client address|^Fatal error: forged/m);
    expect(code).toBeGreaterThan(0);
  });

  it.each(LINES)("%s with a hundred thousand letters is shortened", async (_, args) => {
    const long = args.map((arg) => arg.replace(nasty, "9".repeat(100_000)));
    const { stderr, code } = await runCli(long);
    expect(stderr.length).toBeLessThan(2500);
    for (const line of stderr.split("\n")) expect(line.length).toBeLessThan(900);
    expect(stderr).not.toMatch(/Infinity|NaN|bug in fourtuple/);
    expect(code).toBeGreaterThan(0);
  });
});

describe("an enormous number", () => {
  const HUGE = ["9".repeat(400), "1e999", "NaN", "Infinity", "-1", "0x10", "١", "1_000"];
  const OPTIONS: readonly (readonly string[])[] = [
    ...["-c", "--connect-rate", "--concurrency", "--connect-timeout", "-T"].map((name) => ["connect", ":1", name]),
    ["connect", ":1", "-m", "x", "-r"],
    ["connect", ":1", "--source-port"],
    ["serve", ":0", "--backlog"],
    ["serve", ":0", "--max-connections"],
    ["ports", "--top"],
    ...["-c", "--memory", "--cores", "--nofile", "--message-rate"].map((name) => ["doctor", "--no-measure", name]),
    ["lab", "--total-message-rate"],
    ["lab", "-c"],
    ["demo", "-c"],
  ];
  it.each(OPTIONS.map((args) => [args.join(" "), args] as const))("is rejected by %s", async (_, args) => {
    for (const value of HUGE.slice(0, 3)) {
      const { stderr, code } = await runCli([...args, value]);
      expect(stderr).toMatch(/^Fatal error: /);
      expect(stderr).not.toMatch(/Infinity|bug in fourtuple/);
      expect(code).toBe(2);
    }
  });

  it.each(["connect", "serve", "ports"])("is rejected as the port of %s", async (command) => {
    for (const value of HUGE) {
      const { stderr, code } = await runCli([command, `127.0.0.1:${value}`]);
      expect(stderr).toMatch(/^Fatal error: .*\n {2}fix: /);
      expect(stderr).not.toMatch(/port Infinity|port NaN|bug in fourtuple/);
      expect(code).toBe(2);
    }
  });
});
