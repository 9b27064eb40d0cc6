// Tests zones of link-local IPv6 addresses (RFC 4007) in every command that takes an address. Two interfaces of a
// namespace have the same address, so that only the zone distinguishes them.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { resultOf, runCli, startCli } from "../../support/process.js";

const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });

/**
 * Creates interfaces `one` and `br-two` on separate links, both with fe80::7.
 * @returns the index of `br-two`
 */
function enterTwoLinks(): number {
  enterNamespace();
  for (const name of ["one", "br-two"]) {
    ip("link", "add", name, "type", "veth", "peer", "name", `${name}-end`);
    for (const end of [name, `${name}-end`]) ip("link", "set", end, "addrgenmode", "none", "up");
    ip("address", "add", "fe80::7/64", "dev", name, "nodad");
  }
  return JSON.parse(ip("-json", "link", "show", "br-two"))[0].ifindex;
}

async function serveAt(at: string): Promise<string> {
  return (await startCli(["serve", at, "--log", "none"]).prints(/^listening on (.*)$/m))[1]!;
}

describe.skipIf(!canMakeNamespaces())("a zone", () => {
  it("is preserved from the address to the result: by name and by number, in serve, connect and --source-ip", async () => {
    const index = enterTwoLinks();
    const at = await serveAt(`[fe80::7%${index}]:0`);
    expect(at).toMatch(/^\[fe80::7%br-two\]:\d+$/);
    const port = at.replace(/.*:/, "");
    for (const to of [at, `[fe80::7%${index}]:${port}`]) {
      const source = ["--source-ip", `fe80::7%br-two`, "-c", "30", "-T", "0s", "--json"];
      const { code, stdout } = await runCli(["connect", to, ...source]);
      const result = resultOf(stdout);
      expect(result).toMatchObject({ destinations: [at], established: 30, failed: 0 });
      expect(result.kernel).toMatchObject({ outgoing: 30, incoming: 30 });
      expect(code).toBe(0);
    }
    const single = startCli(["connect", at]);
    expect((await single.prints(/^client address (.*):\d+$/m))[1]).toBe("[fe80::7%br-two]");
    await single.prints(/receive hello from server/);
    // The other interface has the same address but no listener.
    const other = await runCli(["connect", `[fe80::7%one]:${port}`]);
    expect(other.stderr).toContain(`[fe80::7%one]:${port}: ECONNREFUSED`);
  });

  it("distinguishes sockets with the same address in ports", async () => {
    enterTwoLinks();
    const here = await serveAt("[fe80::7%one]:4711");
    const there = await serveAt("[fe80::7%br-two]:4711");
    const hold = (to: string, count: number) =>
      startCli(["connect", to, "-c", `${count}`, "-T", "1m"])
        .prints(/.*/)
        .then(() => to);
    await Promise.all([hold(here, 5), hold(there, 8)]);
    const count = async (...args: string[]) => {
      const { stdout } = await runCli(["ports", ...args, "--state", "established", "--list"]);
      return stdout.split("\n").filter((row) => row.startsWith("ESTABLISHED")).length;
    };
    await expect.poll(() => count("[fe80::7%one]:4711"), { timeout: 20_000 }).toBe(10);
    await expect.poll(() => count("[fe80::7%br-two]:4711"), { timeout: 20_000 }).toBe(16);
    // A filter without a zone matches every zone.
    expect(await count("--peer", "fe80::/64")).toBe(26);
    expect(await count("--peer", "fe80::7%br-two")).toBe(16);
    const table = JSON.parse((await runCli(["ports", ":4711", "--json"])).stdout);
    const text = JSON.stringify(table);
    expect(table.listeners.map((row: { ip: string }) => row.ip).sort()).toEqual(["fe80::7%br-two", "fe80::7%one"]);
    expect(text).toContain('"ip":"fe80::7%one"');
    for (const row of table.listeners) expect(row.established).toBe(row.ip.endsWith("%one") ? 5 : 8);
  });

  it("that is unknown, missing or not allowed is an error before anything is opened", async () => {
    enterTwoLinks();
    const wrong = [
      ["connect", "[fe80::7%nowhere]:7777"],
      ["connect", "[fe80::7%999]:7777", "-c", "10"],
      ["connect", "[fe80::7]:7777", "-c", "10"],
      ["connect", "[::1%one]:7777"],
      ["connect", "[::1]:7777", "--source-ip", "fe80::7", "-c", "10"],
      ["serve", "[fe80::7]:0"],
      ["serve", "[fe80::7%nowhere]:0"],
      ["ports", "[fe80::7%nowhere]:7777"],
      ["ports", "--peer", "fe80::7%nowhere"],
      ["doctor", "--target", "[fe80::7]:7777"],
    ];
    const answers = await Promise.all(wrong.map((args) => runCli(args)));
    for (const [i, { code, stdout, stderr }] of answers.entries()) {
      expect([wrong[i], code, stdout]).toEqual([wrong[i], 2, ""]);
      expect(stderr).toMatch(/fe80::7|::1%one/);
    }
    expect(answers[2]!.stderr).toContain("fe80::7%one or fe80::7%br-two");
  });
});
