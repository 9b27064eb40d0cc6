// Tests user-defined protocols over real sockets on the command line: both sides in one file, TLS, data files, and
// failures.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { scriptFacts } from "../../../src/output/html/run-sections.js";
import { scriptLines } from "../../../src/output/sentences/script.js";
import { ownAddress } from "../../support/address.js";
import { ROOT } from "../../support/library.js";
import { resultOf, runCli, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const LINE = `${ROOT}test/support/scripts/line.mjs`;

function fileWith(name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-protocol-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** Returns the number of the line of the line protocol that contains `text` last. */
function lineOf(text: string): number {
  return (
    readFileSync(LINE, "utf8")
      .split("\n")
      .findLastIndex((line) => line.includes(text)) + 1
  );
}

/** Starts a server of the line protocol. */
async function startLine(scheme = "tcp", env: Record<string, string> = {}) {
  const server = startCli(["serve", `${scheme}://${ownAddress()}:0`, "--protocol", LINE, "--json"], { env });
  const [, ip, port] = await server.prints(/"ip":"([^"]+)","port":(\d+)/);
  return { server, at: `${scheme}://${ip}:${port}` };
}

const args = (at: string, ...more: string[]) => ["connect", at, "--protocol", LINE, "-r", "20", "--json", ...more];

describe("both sides of a file", () => {
  it.each(["tcp", "tls"])("speak over %s, with phases and metrics in both results", async (scheme) => {
    const { server, at } = await startLine(scheme);
    const { code, stdout } = await runCli(args(at, "-c", "20", "-T", "1s", ...(scheme === "tls" ? ["-k"] : [])));
    const { script, messages, ready, latency } = resultOf(stdout);
    expect({ code, ready }).toEqual({ code: 0, ready: 20 });
    expect(messages.answered).toBeGreaterThanOrEqual(20);
    expect(messages).toMatchObject({ expected: "handler", unanswered: 0, missed: 0 });
    expect(latency.handshake.count).toBe(20);
    expect(script).toMatchObject({ name: "line", file: LINE, seed: 1, refusals: [] });
    expect(script.phases.map(({ name, entered }: { name: string; entered: number }) => [name, entered])).toEqual([
      ["greeting", 20],
      ["login", 20],
      ["chat", 20],
    ]);
    expect(script.phases[1].duration.count).toBe(20);
    expect(script.counters).toEqual([{ name: "pongs", help: "Pongs received.", value: messages.answered }]);
    expect(script.histograms[0].duration).toMatchObject({ count: messages.answered, p50Us: 2000 });
    expect(script.errors).toBeUndefined();
    server.child.kill("SIGINT");
    const { code: serverCode, stdout: serverOutput } = await server.exited();
    const served = resultOf(serverOutput);
    expect(serverCode).toBe(0);
    expect(served).toMatchObject({ protocol: "scripted", accepted: 20, ready: 20, failures: [] });
    expect(served.script).toMatchObject({ name: "line", sha256: script.sha256 });
  });
});

it("the summary leaves out counters that this side has not touched", () => {
  const counters = [
    { name: "joined", value: 3 },
    { name: "busy", value: 0 },
  ];
  const script = { name: "x", file: "/x.mjs", sha256: "", seed: 1, phases: [], counters, histograms: [], refusals: [] };
  const labels = scriptLines({ script }).map(([label]) => label);
  expect(labels).toContain("joined");
  expect(labels).not.toContain("busy");
  const facts = scriptFacts({ script }).map(([label]) => label);
  expect(facts.filter((label) => labels.includes(label))).toEqual(["joined"]);
  expect(facts).toContain("Protocol");
});

it("a refusal is counted by its code, and the summary shows its text", async () => {
  const { at } = await startLine();
  const users = fileWith("users.csv", 'name\r\nbad "one"\r\nanna\r\n');
  const { code, stdout } = await runCli(
    ["connect", at, "--protocol", LINE, "-c", "4", "-T", "100ms", "--data", users],
    { env: { USERS: users } },
  );
  expect(code).toBe(1);
  expect(stdout).toContain("2 REFUSED 535 (setup)");
  expect(stdout).toContain("535 means bad user");
});

it("a handler that throws ends its connection; its file and line are reported at once, and the run continues", async () => {
  const { at } = await startLine();
  const { code, stdout, stderr } = await runCli(args(at, "-c", "5", "-T", "1s"), {
    env: { THROW_AT: "3", LOG_AT: "2" },
  });
  const { lost, losses, openAtStop, script } = resultOf(stdout);
  expect(code).toBe(1);
  expect({ lost, losses, openAtStop }).toEqual({
    lost: 1,
    losses: [{ phase: "hold", errno: "HANDLER_ERROR", count: 1 }],
    openAtStop: 4,
  });
  expect(script.errors).toMatchObject({ count: 1 });
  expect(stderr).toMatch(/^due\(\) failed for connection 3: Error: no more pings\n {2}at .*line\.mjs:\d+:\d+/m);
  expect(stderr).toMatch(/^ping by 2\n/m);
});

it("handler errors that end no open connection still fail both runs, and both say how many there were and where", async () => {
  const { server, at } = await startLine("tcp", { THROW_BYE: "2" });
  const { code, stdout } = await runCli(["connect", at, "--protocol", LINE, "-c", "3", "-T", "100ms"], {
    env: { THROW_CLOSING: "3" },
  });
  expect(stdout).toContain("target missed: 3 of 3 connections");
  expect(stdout).toContain("opened, 1 handler call threw an error");
  expect(stdout).toContain(
    `1 call failed, first: closing() failed for connection 3: Error: no goodbye (line.mjs, line ${lineOf("no goodbye")})`,
  );
  expect(code).toBe(1);
  await until(
    "the server's error",
    () => server.stderr,
    (text) => text.includes("not yet"),
  );
  server.child.kill("SIGINT");
  const served = await server.exited();
  expect(resultOf(served.stdout).diagnosis.finding).toMatchObject({
    limit: "handler",
    evidence: [
      `1 call failed, first: received() failed for connection 2: Error: not yet (line.mjs, line ${lineOf("not yet")})`,
    ],
  });
  expect(served.code).toBe(1);
});

it("a handler that loops is named, and the run ends", async () => {
  const { at } = await startLine();
  const { code, stderr } = await runCli(args(at, "-c", "5", "-T", "60s"), { env: { LOOP_AT: "2" } });
  expect(code).toBe(1);
  expect(stderr).toContain(`due() in line.mjs has not returned for a second (line ${lineOf("LOOP_AT")})`);
});

it.each([
  ["client", "EXIT_AT"],
  ["server", "EXIT_SERVER"],
])("a handler that ends its thread also ends the run of the %s, which says so", async (side, variable) => {
  const env = { [variable]: "2" };
  const { server, at } = await startLine("tcp", side === "server" ? env : {});
  const client = startCli(args(at, "-c", "5", "-T", side === "server" ? "1s" : "60s"), { env });
  const { code, stderr } = await (side === "server" ? server : client).exited();
  expect(stderr).toContain("line.mjs ended its thread (exit code 0)");
  expect(code).toBe(1);
});

it("a handler that loops just before the run ends also fails the run", async () => {
  const { at } = await startLine();
  const { code, stderr } = await runCli(args(at, "-c", "5", "-T", "200ms"), { env: { LOOP_AT: "2" } });
  expect(code).toBe(1);
  expect(stderr).toContain("due() in line.mjs has not returned for a second");
});

it("a handler that uses up its thread's memory is blamed for it", async () => {
  const { at } = await startLine();
  const { code, stderr } = await runCli(args(at, "-c", "5", "-T", "60s"), { env: { LEAK_AT: "2" } });
  expect(stderr).toMatch(/line\.mjs has used up the memory of its thread|has not returned for a second/);
  expect(code).toBe(1);
});

it("a connection with more unsent data than fits into memory ends, and the others continue", async () => {
  const { at } = await startLine();
  const { stdout } = await runCli(args(at, "-c", "5", "-T", "2s"), { env: { FLOOD_AT: "3" } });
  const { lost, openAtStop, script } = resultOf(stdout);
  expect({ lost, openAtStop, errors: script.errors }).toEqual({ lost: 1, openAtStop: 4, errors: undefined });
});

it("an unusable file is reported on one line with a fix, exit code 2", async () => {
  const { code, stderr } = await runCli(["connect", "127.0.0.1:9", "--protocol", "/nonexistent/chat.mjs"]);
  expect(stderr).toMatch(/^Fatal error: .*there is no such file\n {2}fix: .*\n$/);
  expect(code).toBe(2);
});

it("a file whose top level loops can be interrupted while it loads", async () => {
  const file = fileWith("loop.mjs", 'import { writeSync } from "node:fs";\nwriteSync(1, "begun\\n");\nfor (;;);\n');
  const client = startCli(["connect", "127.0.0.1:9", "--protocol", file]);
  await client.prints(/begun/);
  client.child.kill("SIGINT");
  const { code, signal } = await client.exited();
  expect([code, signal]).toEqual([undefined, "SIGINT"]);
});

it("options determined by the file are rejected", async () => {
  const { code, stderr } = await runCli(["connect", "127.0.0.1:9", "--protocol", LINE, "-m", "ping"]);
  expect(stderr).toContain("omit -m");
  expect(code).toBe(2);
});
