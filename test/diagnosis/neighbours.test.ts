// Tests the neighbour table as a limit: which addresses of a plan share a link, how many connections that allows, and
// the diagnosis if it is full. The table is host-wide, so it is only filled in test/faults, where no other test runs in
// parallel.
import { execFileSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import { neighbours, neighboursV6 } from "../../src/capacity/limits/neighbours.js";
import type { Load } from "../../src/capacity/load.js";
import { countOnLink } from "../../src/capacity/on-link.js";
import { explainRun } from "../../src/diagnosis/explain.js";
import { readNeighbourTables } from "../../src/linux/netlink/rtnetlink.js";
import { parseIp } from "../../src/util/address.js";
import { parseAddressRanges } from "../../src/util/address-range.js";
import { clientLoad, hostFacts } from "../support/doctor.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { connectResult } from "../support/results.js";

const ip = (...args: string[]) => execFileSync("ip", args);
const kernel = { chosenBy: "kernel", available: 28_232 } as const;
const explicit = (first: number, last: number) => ({ chosenBy: "us", range: { first, last }, startAt: first }) as const;
const plan = (sources: string, to: readonly string[], ports: NonNullable<Load["plan"]>["ports"] = kernel) => ({
  groups: [{ sources: parseAddressRanges(sources), destinations: to.map((each) => ({ ip: parseIp(each), port: 80 })) }],
  ports,
});
const none = { sources: 0, destinations: 0 };

describe("the neighbour table", () => {
  const table = { entries: 30, idle: 6, max: 1024, fulls: 0 };
  const facts = hostFacts({ neighbourTables: { 4: table, 6: table } });
  const ask = (
    connections: number,
    sources: number,
    ports: NonNullable<Load["plan"]>["ports"] = kernel,
    destinations = 1,
  ) =>
    neighbours.allows!(
      facts,
      clientLoad({
        connections,
        plan: plan("10.0.0.1-10.0.7.208", ["10.0.9.1"], ports),
        onLink: { 4: { sources, destinations }, 6: none },
      }),
    );

  it("allows as many connections as its entries do, if sources take turns", () => {
    expect(ask(2000, 2000)).toBe(1000);
    expect(ask(4000, 2000)).toBe(2000);
    expect(ask(2000, 1000)).toBe(Number.POSITIVE_INFINITY);
    expect(ask(900, 2000)).toBe(Number.POSITIVE_INFINITY);
  });

  it("allows as many sources as it has entries, if one is filled before the next", () => {
    expect(ask(2000, 2000, explicit(1024, 65_535))).toBe(Number.POSITIVE_INFINITY);
    expect(ask(20_000, 2000, explicit(40_000, 40_009))).toBe(10_000);
  });

  it("has entries for destinations on the link, too, but not for those behind a router", () => {
    expect(ask(4000, 0, kernel, 2000)).toBe(2000);
    expect(ask(4000, 0, kernel, 0)).toBe(Number.POSITIVE_INFINITY);
    const load = clientLoad({ connections: 10, onLink: { 4: none, 6: { sources: 1, destinations: 1 } } });
    expect(neighboursV6.allows!(facts, load)).toBe(Number.POSITIVE_INFINITY);
    expect(neighbours.needs(facts, clientLoad({ onLink: { 4: { sources: 0, destinations: 50 }, 6: none } }))).toBe(74);
  });

  it("is unknown if it cannot be read", () => {
    const load = clientLoad({ connections: 10, onLink: { 4: { sources: 0, destinations: 5 }, 6: none } });
    expect(neighbours.allows!(hostFacts({ neighbourTables: undefined }), load)).toBeUndefined();
  });
});

describe("a run that meets a full table", () => {
  const failures = [{ phase: "connect", errno: "ETIMEDOUT", count: 977 }] as const;
  const evidence = {
    deltas: { "arp_cache.table_fulls": 5862, "TcpExt.TCPSynRetrans": 5862, "TcpExt.TCPRetransFail": 5000 },
    gauges: { "arp_cache.entries": 1026, "arp_cache.max": 1024 },
  };

  it("names it by the kernel's own count, rather than the firewall", () => {
    const { finding } = explainRun(connectResult({ failures, evidence }));
    expect(finding).toMatchObject({ limit: "gc-thresh3", whose: "local" });
    expect(finding!.evidence.join("\n")).toMatch(/full 5,862 times[\s\S]*1,026 entries, .*gc_thresh3 is 1,024/);
    const v6 = { deltas: { "ndisc_cache.table_fulls": 977 }, gauges: {} };
    expect(explainRun(connectResult({ failures, evidence: v6 })).finding).toMatchObject({ limit: "gc-thresh3-ipv6" });
    const fewer = { ...evidence, deltas: { ...evidence.deltas, "arp_cache.table_fulls": 3 } };
    expect(explainRun(connectResult({ failures, evidence: fewer })).finding?.limit).not.toBe("gc-thresh3");
  });

  it("suspects the server's if there are enough sources to fill it", () => {
    const plan = { tuplesAvailable: 1e6, tuplesSkipped: 0, sourceAddresses: 2000, sourcePorts: "kernel" };
    const { suspects } = explainRun(connectResult({ failures, plan }));
    expect(suspects[0]).toMatchObject({ limit: "gc-thresh3", whose: "peer" });
    expect(explainRun(connectResult({ failures })).suspects.map(({ limit }) => limit)).not.toContain("gc-thresh3");
  });
});

describe.skipIf(!canMakeNamespaces())("on-link addresses", () => {
  beforeEach(() => {
    enterNamespace();
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
    ip("address", "add", "10.77.0.2/16", "dev", "v0");
    ip("address", "add", "2001:db8:1::2/64", "dev", "v0", "nodad");
    ip("link", "set", "v0", "up");
    ip("link", "set", "v1", "up");
    ip("route", "add", "default", "via", "10.77.0.1");
  });

  it("are sources and destinations in the interface's network, none behind a gateway, none on loopback", () => {
    const sources = "10.76.255.250-10.77.3.255,192.168.0.1";
    expect(countOnLink(plan(sources, ["10.77.0.1", "10.77.0.9", "10.77.0.9"]))).toEqual({
      4: { sources: 1024, destinations: 2 },
      6: none,
    });
    expect(countOnLink(plan(sources, ["8.8.8.8"]))).toEqual({ 4: none, 6: none });
    expect(countOnLink(plan("127.0.0.1", ["127.0.0.1", "10.77.0.2"]))).toEqual({ 4: none, 6: none });
    expect(countOnLink(plan("2001:db8:1::2-2001:db8:1::9", ["2001:db8:1::1"]))[6]).toEqual({
      sources: 8,
      destinations: 1,
    });
    expect(countOnLink(undefined)).toEqual({ 4: none, 6: none });
  });

  it("share a table that can be read in every network namespace, although only the first has the setting", () => {
    const tables = readNeighbourTables()!;
    for (const family of [4, 6] as const) {
      expect(tables[family].max).toBeGreaterThan(0);
      expect(tables[family].entries).toBeGreaterThanOrEqual(tables[family].idle);
    }
    const before = tables[4].entries - tables[4].idle;
    ip("neighbour", "add", "10.77.1.1", "lladdr", "02:00:00:00:00:01", "dev", "v0", "nud", "stale");
    expect(readNeighbourTables()![4].idle).toBeGreaterThan(0);
    expect(before).toBeGreaterThanOrEqual(0);
  });
});
