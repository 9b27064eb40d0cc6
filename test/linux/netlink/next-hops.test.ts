// Tests that routes through next-hop objects are read like others, whether or not the kernel translates them.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { readRoutes } from "../../../src/linux/netlink/link-changes.js";
import { interfaceIndex } from "../../../src/linux/syscalls/interface-names.js";
import { formatIp } from "../../../src/util/address.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";

const COMMANDS = [
  "link add left type veth peer name right",
  "addr add 10.98.0.1/24 dev left",
  "addr add 10.97.0.1/24 dev right",
  "link set left up",
  "link set right up",
  "nexthop add id 6 dev left",
  "nexthop add id 7 via 10.98.0.2 dev left",
  "nexthop add id 8 via 10.98.0.3 dev left",
  "nexthop add id 9 via 10.97.0.2 dev right",
  "nexthop add id 10 group 7/8",
  "nexthop add id 11 group 7/9",
  "route add 10.91.0.0/24 nhid 6",
  "route add 10.92.0.0/24 nhid 7",
  "route add 10.93.0.0/24 nhid 10",
  "route add 10.94.0.0/24 nhid 11",
];

describe.skipIf(!canMakeNamespaces())("a route through a next-hop object", () => {
  it.each(["0", "1"])("has an interface and a gateway, with nexthop_compat_mode=%s", (mode) => {
    enterNamespace();
    try {
      execFileSync("sysctl", ["-qw", `net.ipv4.nexthop_compat_mode=${mode}`]);
    } catch {
      return; // Linux 5.8 has no such mode.
    }
    for (const command of COMMANDS) execFileSync("ip", command.split(" "));
    const left = interfaceIndex("left");
    const found = (readRoutes(4) ?? []).map(
      ({ first, index, hasGateway }) => [formatIp(first), [index, hasGateway]] as const,
    );
    expect(Object.fromEntries(found)).toMatchObject({
      "10.91.0.0": [left, false],
      "10.92.0.0": [left, true],
      "10.93.0.0": [left, true],
      "10.94.0.0": [0, true],
    });
  });
});
