// Tests `connect --json`: one event per line, the result last, and readers of such a stream.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ConnectEvent } from "../../../src/client/event-stream.js";
import { parseRunSpec } from "../../../src/planning/parse-run-spec.js";
import { endpoint, ownAddress } from "../../support/address.js";
import { startForeignServer, startServer } from "../../support/peers.js";
import { runCli, startCli } from "../../support/process.js";

const eventsOf = (stdout: string): ConnectEvent[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-events-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "run.json");
  writeFileSync(file, text);
  return file;
}

describe("connect --json", () => {
  it("starts with the spec, reports progress, and ends with the result", async () => {
    const server = await startServer({ mode: "echo" });
    const to = endpoint(server.address);
    const args = [to, "-c", "300", "-T", "800ms", "-m", "ping", "--source-ip", "127.0.0.2", "--json"];
    const client = startCli(["connect", ...args]);
    const { code, stdout, stderr } = await client.exited();
    expect([code, stderr]).toEqual([0, ""]);
    const events = eventsOf(stdout);
    // The spec is the same object that a caller of the library gets.
    const options = { to: [to], connections: 300, durationMs: 800, message: "ping", sources: "127.0.0.2" };
    const spec = JSON.parse(JSON.stringify(parseRunSpec(options)));
    expect(events[0]).toEqual({ event: "started", pid: client.pid, spec });
    expect(events.at(-1)).toMatchObject({ event: "result", kind: "connect", established: 300, outcome: "met" });
    const snapshots = events.filter((each) => each.event === "snapshot");
    expect(events.length).toBe(snapshots.length + 2);
    expect(snapshots).toContainEqual(expect.objectContaining({ stage: "hold", open: 300, requested: 300 }));
    const times = snapshots.map(({ elapsedMs }) => elapsedMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it("reports an uneventful hold once", async () => {
    // A greeting could arrive during the hold.
    const server = await startServer({ mode: "discard" });
    const { stdout } = await runCli(["connect", endpoint(server.address), "-c", "20", "-T", "2s", "--json"]);
    const held = eventsOf(stdout).filter((each) => each.event === "snapshot" && each.stage === "hold");
    expect(held).toHaveLength(1);
  });

  it("reports what a single connection reads, with control characters escaped", async () => {
    const server = await startForeignServer((socket) => socket.end("\x1b[31mhello\n"));
    const { code, stdout } = await runCli(["connect", server.at, "--json"]);
    expect(code).toBe(0);
    expect(stdout).not.toContain("\x1b");
    const events = eventsOf(stdout).filter(({ event }) => event !== "snapshot");
    expect(events).toEqual([
      expect.objectContaining({ event: "started" }),
      { event: "opened", ip: expect.any(String), port: expect.any(Number) },
      { event: "received", text: "\x1b[31mhello\n" },
      expect.objectContaining({ event: "result", established: 1, lost: 1 }),
    ]);
  });

  it("prints the result of a failed connection, and its error on standard error", async () => {
    const { code, stdout, stderr } = await runCli(["connect", `${ownAddress()}:1`, "--json"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^Fatal error: no connection to/)]);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: "result", established: 0, outcome: "missed" });
  });
});

describe("the output of connect --json", () => {
  it("can be rendered and explained as a whole, and by its last line", async () => {
    const server = await startServer();
    const run = await runCli(["connect", endpoint(server.address), "-c", "30", "-T", "0", "--json"]);
    for (const text of [run.stdout, run.stdout.trim().split("\n").at(-1)!]) {
      const file = fileWith(text);
      expect(await runCli(["report", file])).toMatchObject({ code: 0, stderr: "" });
      expect(await runCli(["doctor", "--explain", file])).toMatchObject({ code: 0, stderr: "" });
    }
  });

  it("is rejected with the reason if it ends before the result", async () => {
    const file = fileWith('{"event":"started","pid":1,"spec":{}}\n{"event":"snapshot","open":5}\n');
    for (const args of [
      ["report", file],
      ["doctor", "--explain", file],
    ]) {
      const { code, stderr } = await runCli(args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/run\.json ends before the run's result/)]);
    }
  });
});
