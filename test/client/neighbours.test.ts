// Tests what a run with explicit source ports leaves to other programs: the kernel gives nobody else an explicitly
// bound port.
import { describe, expect, it } from "vitest";
import { canMakeNamespaces, makeNamespace } from "../support/namespace.js";
import { CLI_FILE, start, type TestProcess } from "../support/process.js";
import { setSysctlIn } from "../support/sysctl.js";

describe.skipIf(!canMakeNamespaces())("during a run that holds every ephemeral port of its source address", () => {
  const enter = async () => {
    const namespace = makeNamespace();
    setSysctlIn(namespace, "net.ipv4.ip_local_port_range", "40000 40099");
    const cli = (...args: string[]): TestProcess =>
      start("ip", ["netns", "exec", namespace, process.execPath, CLI_FILE, ...args]);
    await cli("serve", "127.0.0.1:7777", "--log", "none").prints(/listening on/);
    const source = ["--source-ip", "127.0.0.2", "--source-port", "40000-40099"];
    const run = cli("connect", "127.0.0.1:7777", "-c", "100", "-T", "1m", ...source);
    await run.prints(/.*/);
    return { cli, namespace, run };
  };

  it("other programs can still connect, even to the same server, and services can bind these ports", async () => {
    const { cli, namespace } = await enter();
    const held = ["netns", "exec", namespace, "ss", "-Htn", "state", "established", "( dport = :7777 )"];
    const count = async () => (await start("ip", held).exited()).stdout.split("\n").length - 1;
    await expect.poll(count, { timeout: 20_000 }).toBe(100);
    const other = cli("connect", "127.0.0.1:7777");
    await other.prints(/receive hello from server/);
    expect(other.stdout).toMatch(/^client address 127\.0\.0\.1:40\d\d\d$/m);
    await cli("serve", "127.0.0.3:40050").prints(/listening on 127\.0\.0\.3:40050/);
  });
});
