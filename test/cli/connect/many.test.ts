// Tests many connections under a low limit of open files, the demo, and the examples.
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../../support/address.js";
import { resultOf, runCli, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

describe("the open-file limit", () => {
  it.each([
    ["does not limit a run", [], true],
    ["limits a run with --one-table", ["--one-table"], false],
  ])("%s", async (_, options, isMet) => {
    const ip = ownAddress();
    const server = startCli(["serve", `${ip}:0`, "--log", "none"]);
    const [, at] = await server.prints(/^listening on (.*)$/m);
    const args = ["connect", at!, "-c", "900", "-T", "0", "--json", ...options];
    const { stdout } = await runCli(args, { nofile: 300 });
    const { isTargetMet, kernel, diagnosis } = resultOf(stdout);
    expect(isTargetMet).toBe(isMet);
    if (isMet) return;
    expect(kernel.outgoing).toBeGreaterThan(200);
    expect(kernel.outgoing).toBeLessThan(300);
    expect(diagnosis.finding).toMatchObject({ limit: "nofile", whose: "local" });
  });
});

describe("the demo", () => {
  it("is confirmed by the kernel's count and leaves no process behind", { timeout: 60_000 }, async () => {
    const { code, stdout, stderr } = await runCli(["demo", "--connections", "20k"], { deadlineMs: 50_000 });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/20,000 ESTABLISHED sockets\s+with the same local port: \d+/);
    expect(code).toBe(0);
    const pid = /process (\d+)/.exec(stdout)![1]!;
    expect(readdirSync("/proc")).not.toContain(pid);
  });

  it("ends its child processes when killed", { timeout: 60_000 }, async () => {
    const demo = startCli(["demo", "--connections", "10k"]);
    const [, pid] = await demo.prints(/process (\d+)/);
    await demo.kill("SIGKILL");
    await until(
      "the server's end",
      () => readdirSync("/proc"),
      (entries) => !entries.includes(pid!),
      20_000,
    );
  });
});

describe("the examples", () => {
  const programs = readdirSync(new URL("../../../examples/", import.meta.url)).filter((name) => name.endsWith(".mjs"));

  it.each(programs)("%s works", async (file) => {
    const { code, stdout, stderr } = await start(process.execPath, [`examples/${file}`]).exited();
    expect(stderr).toBe("");
    expect(stdout).toMatch(/\d/);
    expect(code).toBe(0);
  });
});
