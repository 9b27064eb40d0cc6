// Tests the first port and the set of ports of a walk over source ports.
import { describe, expect, it } from "vitest";
import { readLocalPortRange } from "../../src/linux/proc/local-ports.js";
import { planPorts, readPorts } from "../../src/planning/source-ports.js";
import { TupleSequence } from "../../src/planning/tuple-plan.js";
import { parseIp } from "../../src/util/address.js";

describe("a rerun", () => {
  const portsOf = (sourcePorts?: { first: number; last: number }): number[] => {
    const sequence = new TupleSequence({
      groups: [
        {
          sources: [{ first: parseIp("127.0.0.1"), count: 1 }],
          destinations: [{ ip: parseIp("127.0.0.1"), port: 7777 }],
        },
      ],
      ports: planPorts({ sourcePorts, isSingle: false }, readPorts()),
    });
    return Array.from({ length: sequence.count }, (_, index) => sequence.at(index).sourcePort);
  };

  it("does not begin at the 4-tuples of the last run, yet with the ephemeral ports, each before any other", () => {
    const starts = Array.from({ length: 8 }, () => portsOf()[0]!);
    expect(new Set(starts).size).toBeGreaterThan(1);
    const { first, last } = readLocalPortRange()!;
    const ports = portsOf();
    const ephemeral = ports.slice(0, last - first + 1).sort((a, b) => a - b);
    expect([ephemeral[0], ephemeral.at(-1)]).toEqual([first, last]);
    expect(new Set(ports).size).toBe(64_512);
  });

  it("has exactly the ports of a given range, wherever it begins", () => {
    const orders = Array.from({ length: 8 }, () => portsOf({ first: 20_000, last: 20_299 }));
    expect(new Set(orders.map(([port]) => port)).size).toBeGreaterThan(1);
    for (const order of orders) {
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => 20_000 + index));
    }
  });
});
