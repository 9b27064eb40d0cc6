// Tests the text about packets in summaries.
import { expect, it } from "vitest";
import { describePackets } from "../../src/output/sentences/packets.js";

const NONE = {
  ...{ sentPackets: 3912, receivedPackets: 4105, retransmitted: 0, repeatedSyns: 0, outOfOrder: 0, malformed: 0 },
  ...{ badChecksums: 0, deviceDrops: 0, earlierConnections: 0, icmp: [] },
};

it("names only what went wrong", () => {
  expect(describePackets(undefined)).toBeUndefined();
  expect(describePackets(NONE)).toBe("3,912 sent, 4,105 received");
  expect(describePackets({ ...NONE, retransmitted: 12, repeatedSyns: 1, deviceDrops: 7 })).toBe(
    "3,912 sent, 4,105 received; 12 retransmitted, 1 SYN repeated, 7 dropped by the full device queue",
  );
  expect(describePackets({ ...NONE, strays: 1 })).toMatch(/; 1 segment of no connection$/);
  expect(describePackets({ ...NONE, icmp: [{ kind: "host", count: 2 }] })).toMatch(/; 2 ICMP errors \(2 host\)$/);
});
