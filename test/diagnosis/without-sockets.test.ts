// Tests the diagnosis of clients without kernel sockets whose handshakes nobody answers.
import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult } from "../../src/index.js";
import { addPackets } from "../../src/results/merge/packets.js";
import { connectResult } from "../support/results.js";

const packets: NonNullable<ConnectResult["packets"]> = {
  sentPackets: 800,
  // The kernel announces itself on every new device.
  receivedPackets: 3,
  otherPackets: 3,
  retransmitted: 0,
  repeatedSyns: 400,
  outOfOrder: 0,
  malformed: 0,
  badChecksums: 0,
  earlierConnections: 0,
  deviceDrops: 0,
  icmp: [],
};
const silent: Parameters<typeof connectResult>[0] = {
  transport: "packet",
  established: 0,
  failures: [{ phase: "connect", errno: "ETIMEDOUT", count: 400 }],
  packets,
};
const forwarding = { hook: "forward", table: "ip filter", chain: "FORWARD", verdict: "policy-drop" } as const;
const withRules = (...rules: object[]) =>
  ({ localPath: { failedAtOnce: {}, routes: [], rules } }) as unknown as ConnectResult["evidence"];
const limitOf = (changed: Parameters<typeof connectResult>[0]) => {
  const { finding } = explainRun(connectResult({ ...silent, ...changed }));
  return finding && `${finding.limit} of ${finding.whose}`;
};

describe("a client without kernel sockets whose handshakes time out", () => {
  it("suspects first that answers are sent elsewhere, if no packet has arrived", () => {
    const { suspects } = explainRun(connectResult(silent));
    expect(suspects.map(({ limit, whose }) => `${limit} of ${whose}`)).toEqual([
      "route of network",
      "path of network",
      "route of peer",
    ]);
    expect(suspects[0]!.evidence).toContain("fourtuple sent 800 packets, and no answer arrived");
    const answered = explainRun(connectResult({ ...silent, packets: { ...packets, receivedPackets: 4 } }));
    expect(answered.suspects.map(({ whose }) => whose)).toEqual(["network", "peer"]);
  });

  it("suspects first that answers come from elsewhere, if as many have come as attempts have failed", () => {
    const strays = (count: number) =>
      explainRun(connectResult({ ...silent, packets: { ...packets, receivedPackets: 900, strays: count } })).suspects;
    expect(strays(800)[0]!.evidence).toContain("fourtuple answered 800 segments of no connection with RST");
    expect(strays(800).map(({ whose }) => whose)).toEqual(["network", "network", "peer"]);
    expect(strays(399)).toHaveLength(2);
  });

  it("names the firewall that drops what this host forwards", () => {
    expect(limitOf({ evidence: withRules(forwarding) })).toBe("firewall of local");
    expect(limitOf({ evidence: withRules({ ...forwarding, table: "bridge filter" }) })).toBeUndefined();
    expect(limitOf({ evidence: withRules(forwarding), packets: { ...packets, receivedPackets: 9 } })).toBeUndefined();
  });

  it("names the device's queue if packets were dropped there", () => {
    const drops = { ...packets, receivedPackets: 700, deviceDrops: 400 };
    expect(limitOf({ established: 500, packets: drops })).toBe("tun-txqueuelen of local");
    // Too few to explain so many failures.
    expect(limitOf({ established: 500, packets: { ...drops, deviceDrops: 399 } })).toBeUndefined();
    const { deviceDrops: _, ...older } = drops;
    expect([addPackets(older, drops), addPackets(drops, older)]).toMatchObject([
      { deviceDrops: 400 },
      { deviceDrops: 400 },
    ]);
  });
});
