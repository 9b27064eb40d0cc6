// Tests source addresses that are missing, unusable, or removed during a run, and missing address families and routes.
// Each test runs in its own network namespace.
import { execFileSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import type { ConnectResult, Diagnosis, Prediction } from "../../src/index.js";
import { readLocalBlocks } from "../../src/linux/netlink/local-blocks.js";
import { describeBadSources } from "../../src/planning/source-text.js";
import { checkSources, routeSource } from "../../src/planning/sources.js";
import { parseIp } from "../../src/util/address.js";
import { parseAddressRanges } from "../../src/util/address-range.js";
import { socketsInSs } from "../support/kernel.js";
import { canMakeNamespaces, enterNamespace, makeNamespace } from "../support/namespace.js";
import { resultOf, runCli, startCli } from "../support/process.js";
import { until } from "../support/until.js";

const ip = (...args: string[]) => execFileSync("ip", args);
const set = (setting: string) => execFileSync("sysctl", ["-qw", setting]);
const check = (text: string) => {
  const { good, bad, badCount } = checkSources(parseAddressRanges(text));
  const usable = good.reduce((sum, { count }) => sum + count, 0);
  return { usable, ranges: good.length, badCount, problems: bad.map(({ ip, problem }) => `${ip} ${problem}`) };
};

async function predicted(...args: string[]): Promise<Prediction> {
  return JSON.parse((await runCli(["doctor", "--no-measure", "--json", ...args])).stdout);
}

async function run(...args: string[]): Promise<ConnectResult & { diagnosis: Diagnosis }> {
  return resultOf((await runCli(["connect", "--json", "-T", "0", ...args])).stdout);
}

it("blocks of local addresses exclude the parts covered by other routes", () => {
  const entry = (at: string, ...prefixes: string[]) =>
    `     |-- ${at}\n${prefixes.map((each) => `        ${each}\n`).join("")}`;
  const trie = `Main:\n${entry("10.88.0.0", "/16 host LOCAL")}${entry("10.88.3.0", "/24 universe UNREACHABLE")}${entry("10.9.0.0", "/24 link UNICAST")}Local:\n${entry("127.0.0.0", "/8 host LOCAL")}${entry("127.0.0.1", "/32 host LOCAL")}${entry("127.255.255.255", "/32 link BROADCAST")}`;
  const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
  expect(readLocalBlocks(trie).map(({ first, last }) => `${text(first)}-${text(last)}`)).toEqual([
    "10.88.0.0-10.88.2.255",
    "10.88.4.0-10.88.255.255",
    "127.0.0.0-127.255.255.254",
  ]);
  expect(readLocalBlocks("")).toEqual([]);
});

describe.skipIf(!canMakeNamespaces())("source addresses", () => {
  beforeEach(() => enterNamespace());

  it("are checked individually, and in the millions at once", () => {
    ip("route", "add", "local", "10.88.0.0/16", "dev", "lo");
    ip("route", "add", "unreachable", "10.88.3.0/24");
    expect(check("127.0.0.0/8")).toEqual({ usable: 2 ** 24 - 2, ranges: 1, badCount: 0, problems: [] });
    const anyIp = check("10.88.0.0/16");
    expect([anyIp.usable, anyIp.ranges, anyIp.badCount]).toEqual([2 ** 16 - 2 - 256, 2, 256]);
    expect(anyIp.problems).toHaveLength(8);
    expect(describeBadSources(checkSources(parseAddressRanges("10.88.3.0/24")).bad, 254)).toBe(
      "10.88.3.1, 10.88.3.2, 10.88.3.3 and 251 more are not addresses of this host",
    );
    expect(check("10.88.2.255-10.88.3.0,10.1.1.1").problems).toEqual(["10.88.3.0 absent", "10.1.1.1 absent"]);
    expect(check("2001:db8::/104")).toMatchObject({ usable: 0, badCount: 2 ** 24 });
  });

  it("on an interface that is down, tentative or duplicate are reported as such", async () => {
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
    ip("address", "add", "10.9.0.1/24", "dev", "v1");
    ip("link", "set", "v0", "up");
    // Duplicate address detection does not start without a carrier.
    ip("-6", "address", "add", "2001:db8:1::1/64", "dev", "v0");
    ip("-6", "address", "add", "2001:db8:1::2/64", "dev", "v0", "nodad");
    ip("-6", "address", "add", "2001:db8:1::3/64", "dev", "v0", "nodad", "preferred_lft", "0");
    ip("-6", "route", "add", "local", "2001:db8:7::/64", "dev", "lo");
    expect(check("10.9.0.1").problems).toEqual([]);
    expect(check("2001:db8:1::1-2001:db8:1::3").problems).toEqual(["2001:db8:1::1 tentative"]);
    expect(check("2001:db8:7::1").problems).toEqual(["2001:db8:7::1 nonlocal"]);
    // An IPv4 address belongs to the host, not to an interface, so it stays usable as a source; the route is a separate
    // check.
    expect(routeSource(parseIp("10.9.0.7"))).toEqual({ ip: "10.9.0.7", problem: "interface-down", detail: "v1" });
    const { stderr } = await runCli(["connect", "10.9.0.7:7777", "-c", "10"]);
    expect(stderr).toMatch(/no route to 10\.9\.0\.7: v1 is down[\s\S]*fix: bring it up: ip link set v1 up/);
    expect(routeSource(parseIp("2001:db8:2::1"))).toMatchObject({ problem: "no-route" });
  });

  it("that another host on the link has fail duplicate address detection", async () => {
    const other = makeNamespace();
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", other);
    ip("-n", other, "-6", "address", "add", "2001:db8:1::5/64", "dev", "v1", "nodad");
    ip("-n", other, "link", "set", "v1", "up");
    ip("link", "set", "v0", "up");
    await until(
      "the wire is up",
      () => ip("link", "show", "v0").toString(),
      (text) => text.includes("LOWER_UP"),
    );
    ip("-6", "address", "add", "2001:db8:1::5/64", "dev", "v0");
    await until(
      "the address is found twice",
      () => check("2001:db8:1::5").problems.join(),
      (found) => found.endsWith("duplicate"),
    );
    expect((await runCli(["connect", "[2001:db8:1::9]:1", "--source-ip", "2001:db8:1::5", "-c", "2"])).stderr).toMatch(
      /2001:db8:1::5 on v0 failed duplicate address detection: another host has it/,
    );
  });

  it("that bind() accepts because of ip_nonlocal_bind are still not local", () => {
    ip("-6", "route", "add", "local", "2001:db8:7::/64", "dev", "lo");
    set("net.ipv4.ip_nonlocal_bind=1");
    set("net.ipv6.ip_nonlocal_bind=1");
    expect(check("10.9.0.1,127.0.0.9,2001:db8:1::1,2001:db8:7::1,::1").problems).toEqual([
      "10.9.0.1 absent",
      "2001:db8:1::1 absent",
    ]);
  });

  it("with a gap in their range are rejected before the run, and the doctor counts the rest", async () => {
    for (const own of ["10.77.0.1", "10.77.1.1", "10.77.1.3"]) ip("address", "add", `${own}/32`, "dev", "lo");
    await startCli(["serve", "10.77.0.1:7777", "--log", "none"]).prints(/listening on/);
    const sources = ["--source-ip", "10.77.1.1-10.77.1.3", "--source-port", "40000-40099", "-c", "300"];
    const { stderr, code } = await runCli(["connect", "10.77.0.1:7777", ...sources]);
    expect(stderr).toMatch(/10\.77\.1\.2 is not an address of this host/);
    expect(code).not.toBe(0);
    const { ceiling, binding } = await predicted("--target", "10.77.0.1:7777", ...sources);
    expect([ceiling, binding?.id]).toEqual([200, "source-ports"]);
    expect(binding?.nowText).toBe("2 × 100; 10.77.1.2 is not an address of this host");
  });

  it.each([
    ["with chosen ports", ["--source-port", "41000-41049"]],
    ["with the kernel's ports", ["--source-port", "kernel"]],
  ])("that disappear during a run are named: %s", async (_, ports) => {
    for (const own of ["10.77.0.1", "10.77.1.1", "10.77.1.3"]) ip("address", "add", `${own}/32`, "dev", "lo");
    await startCli(["serve", "10.77.0.1:7777", "--log", "none"]).prints(/listening on/);
    const sources = ["--source-ip", "10.77.1.1,10.77.1.3", ...ports];
    const client = startCli([
      ...["connect", "10.77.0.1:7777", "-c", "100", "--connect-rate", "60", "-T", "0", "--json"],
      ...sources,
    ]);
    const open = () => socketsInSs("dport = :7777");
    await until("some are open", open, ({ length }) => length >= 10);
    ip("address", "del", "10.77.1.3/32", "dev", "lo");
    const { diagnosis, evidence }: ConnectResult & { diagnosis: Diagnosis } = resultOf((await client.exited()).stdout);
    expect(evidence.shortage).toMatchObject({
      badSources: [{ ip: "10.77.1.3", problem: "absent" }],
      badSourceCount: 1,
    });
    expect(diagnosis.finding).toMatchObject({
      limit: "source-address",
      whose: "local",
      meaning: "10.77.1.3 is no longer an address of this host",
    });
  });
});

describe.skipIf(!canMakeNamespaces())("a destination", () => {
  beforeEach(() => enterNamespace());

  it.each([[1], [100]])("of a disabled family is not reported as exhaustion: -c %i", async (connections) => {
    for (const name of ["all", "default", "lo"]) set(`net.ipv6.conf.${name}.disable_ipv6=1`);
    const { stderr, code } = await runCli(["connect", "[2001:db8::1]:7777", "-c", `${connections}`, "-T", "1s"]);
    expect(stderr).toMatch(
      /no IPv6 source address for 2001:db8::1: IPv6 is disabled, net\.ipv6\.conf\.all\.disable_ipv6 is 1/,
    );
    expect(code).not.toBe(0);
    const { ceiling, binding } = await predicted("--target", "[2001:db8::1]:7777", "-c", `${connections}`);
    expect([ceiling, binding?.id]).toEqual([0, "route"]);
    expect(binding?.nowText).toMatch(/IPv6 is disabled/);
  });

  it("without a route counts as 0, and other reachable ones count", async () => {
    const none = await predicted("--target", "203.0.113.5:80", "-c", "10");
    expect([none.ceiling, none.binding?.id, none.binding?.nowText]).toEqual([
      0,
      "route",
      "no route to 203.0.113.5 (ENETUNREACH)",
    ]);
    expect(routeSource(parseIp("127.0.0.1"))).toMatchObject({ family: 4 });
  });

  it("cannot be reached from ::1 or link-local addresses alone", async () => {
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
    ip("link", "set", "v0", "addrgenmode", "none", "up");
    ip("link", "set", "v1", "addrgenmode", "none", "up");
    ip("-6", "route", "add", "2001:db8::/32", "dev", "v0");
    expect(routeSource(parseIp("2001:db8::1"))).toEqual({ ip: "2001:db8::1", problem: "absent" });
    expect(routeSource(parseIp("::1"))).toMatchObject({ family: 6 });
    const { stderr } = await runCli(["connect", "[2001:db8::1]:7777"]);
    expect(stderr).toMatch(/no IPv6 source address for 2001:db8::1: this host has no IPv6 address that reaches it/);
    ip("-6", "address", "del", "::1/128", "dev", "lo");
    expect(routeSource(parseIp("::1"))).toEqual({ ip: "::1", problem: "absent" });
  });

  it("whose family disappears during a run is not reported as exhaustion", async () => {
    await startCli(["serve", "[::1]:7777", "--log", "none"]).prints(/listening on/);
    const client = startCli(["connect", "[::1]:7777", "-c", "100", "--connect-rate", "60", "-T", "0", "--json"]);
    await until(
      "some are open",
      () => socketsInSs("dport = :7777"),
      ({ length }) => length >= 10,
    );
    set("net.ipv6.conf.lo.disable_ipv6=1");
    const { diagnosis }: { diagnosis: Diagnosis } = resultOf((await client.exited()).stdout);
    expect(diagnosis.finding?.limit).toBe("source-address");
    expect(diagnosis.finding?.meaning).toMatch(/^::1 /);
  });

  it("that was reached is not blamed when the ports run out", async () => {
    await startCli(["serve", "127.0.0.1:7777", "--log", "none"]).prints(/listening on/);
    const { diagnosis } = await run(
      "127.0.0.1:7777",
      "-c",
      "20",
      "--source-ip",
      "127.0.0.2",
      "--source-port",
      "40000-40009",
    );
    expect(diagnosis.finding?.limit).toBe("source-ports");
  });
});
