// Tests planning on made-up hosts: a plan depends only on the spec and on the host readings.

import { describe, expect, it } from "vitest";
import type { ConnectOptions } from "../../src/planning/connect-options.js";
import { type HostReadings, readHost } from "../../src/planning/host-readings.js";
import { planTuples } from "../../src/planning/make-plan.js";
import { parseRunSpec } from "../../src/planning/parse-run-spec.js";
import { TupleSequence } from "../../src/planning/tuple-plan.js";
import type { BadSource } from "../../src/results/peer.js";
import { formatIp, type IpAddress, parseIp } from "../../src/util/address.js";
import { parseAddressRanges } from "../../src/util/address-range.js";

const PORTS = { ephemeral: { first: 32_768, last: 60_999 }, reserved: [], offset: 0 };

/**
 * Returns a host with one interface with 10.0.0.2, 10.0.0.3 and fe80::2, from which every destination is reachable by
 * default.
 */
function host(resolved: readonly string[][], more: Partial<HostReadings> = {}): HostReadings {
  const addresses = resolved.map((ips) => ips.map(parseIp));
  const routeOf = ({ family, bytes }: IpAddress) =>
    parseIp(family === 6 ? "fd00::2" : bytes[0] === 127 ? "127.0.0.1" : "10.0.0.2");
  return {
    resolved: addresses.map((ips) => ({ ips, reachable: ips })),
    sources: undefined,
    routes: new Map<string, IpAddress | BadSource>(addresses.flat().map((ip) => [formatIp(ip), routeOf(ip)])),
    own: new Set(resolved.flat().filter((ip) => ip.startsWith("127.") || ip === "10.0.0.2")),
    interfaces: [["127.0.0.1"], ["10.0.0.2", "10.0.0.3", "fd00::2"]].map((list) => list.map(parseIp)),
    ports: PORTS,
    ...more,
  };
}

function planOf(options: ConnectOptions, readings: HostReadings) {
  const planned = planTuples(parseRunSpec(options), readings);
  const groups = planned.plan.groups.map(({ sources, destinations }) => ({
    sources: sources.map(({ first, count }) => `${formatIp(first)}+${count}`),
    destinations: destinations.map(({ ip, port }) => `${formatIp(ip)} ${port}`),
  }));
  return { ...planned, groups };
}

const given = (text: string) => ({ good: parseAddressRanges(text), bad: [], badCount: 0 });

describe("a plan", () => {
  it("uses the address that the kernel would choose, and the others of its family on the interface", () => {
    const { groups, foreign } = planOf({ to: "192.0.2.1:7777", connections: 10 }, host([["192.0.2.1"]]));
    expect(groups).toEqual([{ sources: ["10.0.0.2+1", "10.0.0.3+1"], destinations: ["192.0.2.1 7777"] }]);
    expect(foreign).toEqual(parseIp("192.0.2.1"));
  });

  it("contains every address of a name at every port, each once, and lists the name's addresses", () => {
    const readings = host([["192.0.2.1", "192.0.2.2"], ["192.0.2.2"]]);
    const { groups, names } = planOf({ to: ["a.test:80-81", "192.0.2.2:81"], connections: 4 }, readings);
    expect(groups[0]!.destinations).toEqual(["192.0.2.1 80", "192.0.2.2 80", "192.0.2.1 81", "192.0.2.2 81"]);
    const both = ["192.0.2.1", "192.0.2.2"];
    expect(names).toEqual([{ name: "a.test", addresses: both, used: both, unreachable: [] }]);
    const first = planOf({ to: "a.test:80", connections: 4, resolve: "first" }, readings);
    expect(first.groups[0]!.destinations).toEqual(["192.0.2.1 80"]);
    expect(first.names[0]).toMatchObject({ addresses: both, used: ["192.0.2.1"] });
  });

  it("uses as many loopback addresses as the connections need, and skips the server's port", () => {
    const { groups, plan } = planOf({ to: ":7777", connections: 200_000 }, host([["127.0.0.1"]]));
    expect(groups[0]!.sources).toEqual(["127.0.0.2+5"]);
    expect(plan.ports).toMatchObject({ chosenBy: "us", except: [7777], startAt: 32_768 });
    expect(new TupleSequence(plan).count).toBe(5 * 64_511);
  });

  it("uses the remaining given sources, by the destination's family", () => {
    const readings = host([["192.0.2.1"], ["2001:db8::1"]], { sources: given("10.0.0.2,fd00::2") });
    const { groups } = planOf(
      { to: ["a.test:1", "b.test:1"], connections: 4, sources: "10.0.0.2,10.9.9.9,fd00::2" },
      readings,
    );
    expect(groups).toEqual([
      { sources: ["10.0.0.2+1"], destinations: ["192.0.2.1 1"] },
      { sources: ["fd00::2+1"], destinations: ["2001:db8::1 1"] },
    ]);
  });

  it("is impossible without a given source of the family", () => {
    const readings = host([["192.0.2.1"]], { sources: given("fd00::2") });
    expect(() => planOf({ to: "192.0.2.1:1", connections: 4, sources: "fd00::2" }, readings)).toThrow(
      "no source address has the same family as 192.0.2.1",
    );
  });

  it("continues without an unreachable destination, and reports it", () => {
    const down = { ip: "192.0.2.1", problem: "interface-down", detail: "eth1" } as const;
    const routes = new Map<string, IpAddress | BadSource>([
      ["192.0.2.1", down],
      ["192.0.2.2", parseIp("10.0.0.2")],
    ]);
    const to = ["192.0.2.1:1", "192.0.2.2:1"];
    const { groups, unreachable } = planOf({ to, connections: 4 }, host([["192.0.2.1"], ["192.0.2.2"]], { routes }));
    expect(groups.map(({ destinations }) => destinations)).toEqual([["192.0.2.2 1"]]);
    expect(unreachable).toEqual([down]);
  });

  it("of a single connection tries the addresses in order, from the kernel's preferred source", () => {
    const { groups, tries, plan } = planOf({ to: "a.test:80" }, host([["2001:db8::1", "192.0.2.1"]]));
    expect(groups).toEqual([
      { sources: ["::+1"], destinations: ["2001:db8::1 80"] },
      { sources: ["0.0.0.0+1"], destinations: ["192.0.2.1 80"] },
    ]);
    expect([tries, plan.ports]).toEqual([2, { chosenBy: "kernel", available: 28_232 }]);
  });

  it("is the same each time for the same readings", async () => {
    const spec = parseRunSpec({ to: ["127.0.0.1:7777-7780", "[::1]:7777"], connections: 5000 });
    const readings = await readHost(spec);
    expect(planTuples(spec, readings)).toEqual(planTuples(spec, readings));
  });
});
