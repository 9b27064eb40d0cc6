// Tests loopback as a replacement for two hosts: on request, or as a fallback with a stated reason if namespaces cannot
// be created.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { PORT } from "../../../src/lab/testbed/addresses.js";
import { openTestbed } from "../../../src/lab/testbed/testbed.js";
import { AS_USER, canMakeUserNamespaces, openedBy, startLab } from "../../support/lab.js";

/** Returns a folder with only these programs, to be used as PATH. */
function makePath(...programs: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-lab-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const program of programs) {
    const { stdout } = spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" });
    if (stdout) symlinkSync(stdout.trim(), join(folder, program));
  }
  return folder;
}

describe("as a fallback", { timeout: 60_000 }, () => {
  it.each([
    ["ip", ["sh", "cat", "unshare", "nsenter", "setpriv"]],
    ["unshare", ["sh"]],
    ["nsenter", ["sh", "unshare"]],
    ["setpriv", ["sh", "unshare", "nsenter"]],
  ])("says that %s is not installed", async (missing, programs) => {
    const { description } = await openedBy(startLab({ env: { PATH: makePath(...programs) } }));
    expect(description).toMatchObject({
      kind: "loopback",
      reason: `network namespaces cannot be created here: ${missing} is not installed`,
    });
  });

  it.skipIf(!canMakeUserNamespaces())("says that the kernel allows no namespaces", async () => {
    // An enclosing user namespace can set its own limit.
    const forbid = 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"';
    const prefix = [...AS_USER, "unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"];
    const { description } = await openedBy(startLab({ prefix }));
    expect(description).toMatchObject({
      kind: "loopback",
      reason: "network namespaces cannot be created here: unshare: unshare failed: No space left on device",
    });
  });
});

describe("on request", () => {
  it("has its own address for the server, and as many as requested for the client", async () => {
    await using testbed = await openTestbed({ loopback: true, clientAddresses: 300 });
    const { description, server, client } = testbed;
    const block = /^127\.\d+/.exec(description.serverIp)![0];
    expect(description).toEqual({
      kind: "loopback",
      reason: undefined,
      serverIp: `${block}.0.1`,
      clientIps: `${block}.1.1-${block}.2.44`,
    });
    expect([server.ips, client.ips.length]).toEqual([[description.serverIp], 300]);
  });

  it("has addresses that no other lab uses", async () => {
    await using first = await openTestbed({ loopback: true });
    const { serverIp } = first.description;
    await first.server.run(["serve", `${serverIp}:${PORT}`, "--log", "none"]).prints(/listening/);
    await using second = await openTestbed({ loopback: true });
    expect(second.description.serverIp).not.toBe(serverIp);
  });

  it("leaves the host's settings alone", async () => {
    await using testbed = await openTestbed({ loopback: true });
    const name = "net.ipv4.ip_local_port_range";
    const range = await testbed.client.readSysctl(name);
    expect(range).toMatch(/^\d+\s+\d+$/);
    await expect(testbed.client.setSysctl(name, range!)).rejects.toMatchObject({ code: "E_PERMISSION" });
  });
});
