// More connections on one port than there are ports, counted by the kernel; the demo; the examples.
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { establishedInSs, socketsInSs } from "../support/kernel.js";
import { runCli, start, startCli } from "../support/process.js";
import { until } from "../support/until.js";

const MANY = 70_000;

describe("one port", () => {
  it(`holds ${MANY} connections`, { timeout: 90_000 }, async () => {
    const ip = ownAddress();
    const server = startCli(["serve", `${ip}:0`, "--log", "none"]);
    const port = Number((await server.prints(/listening on [\d.]+:(\d+)/))[1]);
    const client = startCli(["connect", `${ip}:${port}`, "-c", String(MANY), "-T", "1m", "--json"]);
    await until(
      "all of them in ss",
      () => establishedInSs(port, ip),
      (count) => count === MANY,
      60_000,
    );
    client.child.kill("SIGINT");
    const { stdout, code } = await client.exited(20_000);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ isTargetMet: true, established: MANY, failed: 0, lost: 0 });
    expect(result.kernel).toMatchObject({ outgoing: MANY, incoming: MANY });
    expect(code).toBe(0);
    // Closed with RST: neither side keeps a TIME_WAIT.
    const left = () => socketsInSs(`sport = :${port} and src ${ip}`, "connected");
    await until("nothing left", left, (rows) => rows.length === 0, 20_000);
    server.child.kill("SIGTERM");
    expect((await server.exited(20_000)).stdout).toMatch(/peak open +70,000/);
  });
});

describe("the limit of open files", () => {
  it.each([
    ["does not bound a run", [], true],
    ["bounds one that is to have a single table", ["--one-table"], false],
  ])("%s", async (_, options, isMet) => {
    const ip = ownAddress();
    const server = startCli(["serve", `${ip}:0`, "--log", "none"]);
    const [, at] = await server.prints(/^listening on (.*)$/m);
    const args = ["connect", at!, "-c", "900", "-T", "0", "--json", ...options];
    const { stdout } = await runCli(args, { nofile: 300 });
    const { isTargetMet, kernel, diagnosis } = JSON.parse(stdout);
    expect(isTargetMet).toBe(isMet);
    if (isMet) return;
    expect(kernel.outgoing).toBeGreaterThan(200);
    expect(kernel.outgoing).toBeLessThan(300);
    expect(diagnosis.finding).toMatchObject({ limit: "nofile", whose: "this side" });
  });
});

describe("the demo", () => {
  it("is proven by the kernel's count and leaves no process behind", { timeout: 60_000 }, async () => {
    const { code, stdout, stderr } = await runCli(["demo", "--connections", "20k"], { deadlineMs: 50_000 });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/20,000 ESTABLISHED sockets\s+with the same local port: \d+/);
    expect(code).toBe(0);
    const pid = /process (\d+)/.exec(stdout)![1]!;
    expect(readdirSync("/proc")).not.toContain(pid);
  });

  it("ends its children when it is killed", { timeout: 60_000 }, async () => {
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
  it.each(readdirSync(new URL("../../examples/", import.meta.url)))("%s runs", async (file) => {
    const { code, stdout, stderr } = await start(process.execPath, [`examples/${file}`]).exited(30_000);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/\d/);
    expect(code).toBe(0);
  });
});
