// Tests bad input and failures: each yields a clear message with a fix, the right exit code, and no stack trace.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress } from "../support/address.js";
import { startForeignServer } from "../support/peers.js";
import { type Exit, runCli, start, startCli } from "../support/process.js";

/** Expects neither a stack trace nor programmers' jargon. */
function expectClear({ stderr }: Exit): void {
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stderr).not.toMatch(/node:internal|undefined|\[object/);
}

describe("invalid usage exits with 2 and says what is expected", () => {
  it.each<[string, string[], RegExp]>([
    ["no address to serve", ["serve"], /missing required argument[\s\S]*usage: fourtuple serve/],
    ["no address to connect to", ["connect"], /missing required argument[\s\S]*usage: fourtuple connect/],
    ["too many addresses to serve", ["serve", ":1", ":2"], /too many arguments[\s\S]*usage: fourtuple serve/],
    ["an unknown command", ["conect"], /Did you mean connect/],
    ["the help of an unknown command", ["conect", "--help"], /Did you mean connect/],
    ["an unknown option", ["connect", ":7777", "--conections", "5"], /Did you mean --connections/],
    ["port 0", ["connect", "127.0.0.1:0"], /port 0 .*out of range/],
    ["port 65,536", ["serve", "127.0.0.1:65536"], /port 65536 .*out of range[\s\S]*16 bits/],
    ["an address without a port", ["connect", "127.0.0.1"], /fix: write it as/],
    ["a malformed address", ["serve", "1.2.3:x"], /where its port should be, a number/],
    ["-c 0", ["connect", ":7777", "-c", "0"], /"0" is not valid[\s\S]*from 1 to/],
    ["-c 1e99", ["connect", ":7777", "-c", "1e99"], /"1e99" is not valid/],
    ["a rate of 0", ["connect", ":7777", "-c", "5", "--connect-rate", "0"], /"0" is not valid[\s\S]*above 0/],
    ["a message rate without a message", ["connect", ":7777", "-r", "5"], /requires a message/],
    ["stages with -c", ["connect", ":7777", "-c", "5", "--stage", "1s:5"], /stages/],
    ["an unknown mode", ["serve", ":0", "--mode", "helo"], /hello, echo, discard/],
    ["a port range to serve", ["serve", ":7000-7001"], /several ports/],
    ["a reversed range", ["connect", ":7001-7000"], /is reversed/],
    [
      "many connections to another host",
      ["connect", "192.0.2.1:7777", "-c", "1001"],
      /another host[\s\S]*--authorized/,
    ],
  ])("%s", async (_, args, pattern) => {
    const exit = await runCli(args);
    expect(exit.stderr).toMatch(pattern);
    expect(exit.stdout).toBe("");
    expect(exit.code).toBe(2);
    expectClear(exit);
  });
});

describe("failures exit with 1 and say what to do", () => {
  it("a port in use", async () => {
    const foreign = await startForeignServer();
    const exit = await runCli(["serve", foreign.at]);
    expect(exit.stderr).toMatch(/Fatal error: .*port is in use[\s\S]*fix: .*ss -ltnp/);
    expect(exit.code).toBe(1);
    expectClear(exit);
  });

  it.each<[string, string[], RegExp]>([
    ["an unknown host name", ["connect", "no-such-host.invalid:7777"], /does not resolve[\s\S]*fix:/],
    [
      "an address to listen on that this host lacks",
      ["serve", "192.0.2.1:7777"],
      /does not have that address[\s\S]*fix:/,
    ],
    [
      "a source address that this host lacks",
      ["connect", ":7777", "-c", "5", "--source-ip", "192.0.2.1"],
      /192\.0\.2\.1 is not an address of this host[\s\S]*fix:/,
    ],
  ])("%s", async (_, args, pattern) => {
    const exit = await runCli(args, { deadlineMs: 20_000 });
    expect(exit.stderr).toMatch(pattern);
    expect(exit.code).toBe(1);
    expectClear(exit);
  });

  it("a refused connection, alone and among many", async () => {
    const at = `${ownAddress()}:1`;
    const single = await runCli(["connect", at]);
    expect(single.stderr).toMatch(/ECONNREFUSED, nothing listens[\s\S]*fix: /);
    expect(single.code).toBe(1);
    const many = await runCli(["connect", at, "-c", "50", "-T", "0"]);
    expect(many.stdout).toMatch(
      /target missed: 0 of 50[\s\S]*ECONNREFUSED \(connect\)[\s\S]*limit +listener[\s\S]*fix /,
    );
    expect(many.code).toBe(1);
    expectClear(many);
  });
});

describe("a missing privilege", () => {
  it("for a low port exits with 3", async ({ skip }) => {
    if (process.getuid?.() !== 0) skip("only root can become nobody");
    const program = `process.setgid(65534); process.setuid(65534);
      process.argv = [process.argv[0], "fourtuple", "serve", "127.0.0.1:80"]; await import("./dist/cli/main.js");`;
    const exit = await start(process.execPath, ["--input-type=module", "--eval", program]).exited();
    expect(exit.stderr).toMatch(/need a privilege[\s\S]*fix: .*1024/);
    expect(exit.code).toBe(3);
  });
});

describe("help and version", () => {
  it("are printed with exit code 0", async () => {
    const version = await runCli(["--version"]);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const args of [
      [],
      ["--help"],
      ["serve", "--help"],
      ["connect", "--help"],
      ["ports", "--help"],
      ["doctor", "--help"],
    ]) {
      const help = await runCli(args);
      expect(help.code, args.join(" ")).toBe(0);
      expect(help.stdout).toMatch(/Examples:/);
      // The help fits on one screen.
      expect(help.stdout.split("\n").length).toBeLessThanOrEqual(40);
    }
  });

  it("a reader that exits ends a server without an error", async () => {
    // `head` exits after the first line; the server gets EPIPE when it prints a client.
    const shell = `"$0" dist/cli/main.js serve ${ownAddress()}:0 | head -1; echo "ended with $\{PIPESTATUS[0]}"`;
    const piped = start("bash", ["-c", shell, process.execPath]);
    const [, host, port] = await piped.prints(/listening on ([\d.]+):(\d+)/);
    const client = startCli(["connect", `${host}:${port}`]);
    await piped.prints(/ended with 0/);
    expect((await piped.exited()).stderr).not.toMatch(/EPIPE|Fatal/);
    await client.exited();
  });

  it.each([
    ["--help"],
    ["ports"],
    ["ports", "--json"],
    ["ports", "--map"],
    ["ports", "--watch"],
    ["ports", "--list"],
    ["serve", "127.0.0.1:0"],
  ])("a full disk ends %s %s with a message", async (...args) => {
    const full = start("bash", ["-c", '"$0" dist/cli/main.js "$@" > /dev/full', process.execPath, ...args]);
    const exit = await full.exited();
    expect(exit.stderr).toMatch(/^Fatal error: the output cannot be written: ENOSPC.*\n {2}fix: /m);
    expect(exit.stderr.match(/Fatal error/g)).toHaveLength(1);
    expectClear(exit);
    expect(exit.code).toBe(1);
  });

  it.each([[["--json"]], [[]]])(
    "a full disk does not lose the result of a run %j, and a message says so",
    async (options) => {
      const server = startCli(["serve", `${ownAddress()}:0`]);
      const [, at] = await server.prints(/listening on (\S+)/);
      const args = ["connect", at!, "-c", "20", "-T", "0", ...options];
      const folder = mkdtempSync(join(tmpdir(), "fourtuple-full-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const line = ["-c", '"$0" dist/cli/main.js "$@" > /dev/full', process.execPath, ...args];
      const { code, stderr } = await start("bash", line, { env: { TMPDIR: folder } }).exited();
      expect(stderr).toMatch(/^Fatal error: the output cannot be written: ENOSPC.*\n {2}fix: /m);
      expect(code).toBe(1);
      // The result goes elsewhere: to a file, or to standard error.
      const [, file] = /the result is in (\S+)/.exec(stderr) ?? [];
      if (options.length === 0) expect(stderr).toMatch(/the result:\ntarget met: 20 connections/);
      else expect(JSON.parse(readFileSync(file!, "utf8"))).toMatchObject({ kind: "connect", established: 20 });
    },
  );

  it("a clamped backlog is reported", async () => {
    const server = startCli(["serve", `${ownAddress()}:0`]);
    await server.prints(/listening on/);
    server.child.kill("SIGTERM");
    const { stderr } = await server.exited();
    if (/backlog is/.test(stderr)) expect(stderr).toMatch(/net\.core\.somaxconn/);
  });
});
