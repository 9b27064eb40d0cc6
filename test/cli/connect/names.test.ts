// Tests host names with several addresses in /etc/hosts: which addresses a run connects to, and what it reports for
// each.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ConnectResult, Diagnosis } from "../../../src/index.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { CLI_FILE, resultOf, start, startCli } from "../../support/process.js";

/** Runs the command line with a private /etc/hosts that defines a name. */
function withName(addresses: readonly string[], args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-hosts-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const hosts = join(folder, "hosts");
  const order = join(folder, "nsswitch.conf");
  writeFileSync(hosts, addresses.map((address) => `${address} many.test\n`).join(""));
  writeFileSync(order, "hosts: files\n");
  const mounts = `mount --bind ${hosts} /etc/hosts; [ ! -e /etc/nsswitch.conf ] || mount --bind ${order} /etc/nsswitch.conf`;
  return start("unshare", ["--mount", "sh", "-c", `${mounts}; exec "$@"`, "sh", process.execPath, CLI_FILE, ...args]);
}

async function connect(addresses: readonly string[], ...args: string[]) {
  const { stdout, stderr, code } = await withName(addresses, ["connect", ...args, "--json"]).exited();
  if (stdout === "") throw new Error(stderr);
  return { ...(resultOf(stdout) as ConnectResult & { diagnosis: Diagnosis }), code };
}

const listens = (at: string) => startCli(["serve", at, "--log", "none"]).prints(/^listening on/m);
const canMount = canMakeNamespaces() && spawnSync("unshare", ["--mount", "true"]).status === 0;

describe.skipIf(!canMount)("a name with several addresses", () => {
  const BOTH = ["127.0.0.11", "127.0.0.12"];

  it("uses all of them: connections are spread evenly, and the summary lists them", async () => {
    enterNamespace();
    await listens("0.0.0.0:7777");
    const run = await connect(BOTH, "many.test:7777", "-c", "100", "-T", "0s");
    expect(run).toMatchObject({
      code: 0,
      names: [{ name: "many.test", addresses: BOTH, used: BOTH, unreachable: [] }],
      byDestination: BOTH.map((ip) => ({ to: `${ip}:7777`, established: 50, failed: 0 })),
    });
    const args = ["connect", "many.test:7777", "-c", "10", "-T", "0s"];
    const { stdout } = await withName(BOTH, args).exited();
    expect(stdout).toMatch(/resolved +many\.test: 127\.0\.0\.11, 127\.0\.0\.12\n/);
    const first = await withName(BOTH, [...args, "--resolve", "first"]).exited();
    expect(first.stdout).toMatch(/target met: 10 connections to 127\.0\.0\.11:7777\n/);
    expect(first.stdout).toMatch(/resolved +many\.test: 127\.0\.0\.11, the first of 2 addresses\n/);
  });

  it("names the address that refuses, with its failure", async () => {
    enterNamespace();
    await listens("127.0.0.1:7777");
    const addresses = ["::1", "127.0.0.1"];
    const run = await connect(addresses, "many.test:7777", "-c", "20", "-T", "0s", "--close", "rst");
    expect(run.code).toBe(1);
    expect(new Map(run.byDestination!.map(({ to, ...rest }) => [to, rest]))).toEqual(
      new Map<string, object>([
        ["[::1]:7777", { established: 0, failed: 10, lastFailure: { phase: "connect", errno: "ECONNREFUSED" } }],
        ["127.0.0.1:7777", { established: 10, failed: 0 }],
      ]),
    );
    expect(run.diagnosis.finding?.meaning).toContain("[::1]:7777");
    const { stdout } = await withName(addresses, [
      "connect",
      "many.test:7777",
      "-c",
      "20",
      "-T",
      "0s",
      "--close",
      "rst",
    ]).exited();
    expect(stdout).toMatch(/by destination +\[::1\]:7777: 0, 10 failed \(ECONNREFUSED\); 127\.0\.0\.1:7777: 10\n/);
    const only = await connect(addresses, "many.test:7777", "-4", "-c", "20", "-T", "0s", "--close", "rst");
    expect(only).toMatchObject({ code: 0, established: 20, destinations: ["127.0.0.1:7777"] });
  });

  it("is tried in order by a single connection until one answers", async () => {
    enterNamespace();
    await listens("127.0.0.15:7777");
    // All have the same distance from 127.0.0.1, so the resolver keeps their order.
    const addresses = ["127.0.0.12", "127.0.0.13", "127.0.0.15"];
    const single = withName(addresses, ["connect", "many.test:7777"]);
    await single.prints(/receive hello from server/);
    expect(single.stdout).toMatch(/^client address 127\./);
    expect(single.stderr).toContain("tried first: 127.0.0.12:7777 ECONNREFUSED, 127.0.0.13:7777 ECONNREFUSED");
    const refused = await withName(BOTH, ["connect", "many.test:7777"]).exited();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("many.test (127.0.0.11:7777 ECONNREFUSED, 127.0.0.12:7777 ECONNREFUSED)");
  });

  it("is used without the address family that has no route, and a note says so", async () => {
    enterNamespace();
    await listens("127.0.0.1:7777");
    const addresses = ["2001:db8::1", "127.0.0.1"];
    const { stdout, code } = await withName(addresses, ["connect", "many.test:7777", "-c", "10", "-T", "0s"]).exited();
    expect(code).toBe(0);
    expect(stdout).toMatch(/resolved +many\.test: 127\.0\.0\.1, without 2001:db8::1 \(no route\)\n/);
    const none = await withName(["127.0.0.1"], ["connect", "many.test:7777", "-6"]).exited();
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('"many.test" has no IPv6 address, only 127.0.0.1');
  });
});
