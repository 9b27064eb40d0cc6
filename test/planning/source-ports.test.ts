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

  it("does not start with the previous run's 4-tuples, but starts with the ephemeral ports", () => {
    const starts = Array.from({ length: 8 }, () => portsOf()[0]!);
    expect(new Set(starts).size).toBeGreaterThan(1);
    const { first, last } = readLocalPortRange()!;
    const ports = portsOf();
    const ephemeral = ports.slice(0, last - first + 1).sort((a, b) => a - b);
    expect([ephemeral[0], ephemeral.at(-1)]).toEqual([first, last]);
    expect(new Set(ports).size).toBe(64_512);
  });

  it("has exactly the ports of a given range, wherever it starts", () => {
    const orders = Array.from({ length: 8 }, () => portsOf({ first: 20_000, last: 20_299 }));
    expect(new Set(orders.map(([port]) => port)).size).toBeGreaterThan(1);
    for (const order of orders) {
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => 20_000 + index));
    }
  });
});

describe("the ports of a plan", () => {
  const readings = {
    ephemeral: { first: 40_000, last: 40_009 },
    reserved: [{ first: 40_001, last: 40_002 }],
    offset: 23,
  };
  const server = (port: number) => ({ ip: parseIp("127.0.0.1"), port });

  it("are counted without reserved ones if the kernel chooses", () => {
    const kernel = { sourcePorts: "kernel", isSingle: false } as const;
    expect(planPorts(kernel, readings)).toEqual({ chosenBy: "kernel", available: 8 });
    expect(planPorts({ sourcePorts: undefined, isSingle: true }, readings)).toEqual({
      chosenBy: "kernel",
      available: 8,
    });
    const unknown = { ...readings, ephemeral: undefined };
    expect(planPorts(kernel, unknown)).toEqual({ chosenBy: "kernel", available: 64_512 });
  });

  it.each([
    ["that contains the ephemeral ports starts with these", 30_000, 50_000, { first: 40_000, last: 40_009 }, 40_003],
    ["that ends inside them starts with those it contains", 39_000, 40_004, { first: 40_000, last: 40_004 }, 40_003],
    ["that starts with them starts with them", 40_000, 50_000, { first: 40_000, last: 40_009 }, 40_003],
    ["that ends with the first of them starts with it", 39_000, 40_000, { first: 40_000, last: 40_000 }, 40_000],
    [
      "that starts behind the first of them starts with its own first",
      40_001,
      40_100,
      { first: 40_001, last: 40_100 },
      40_024,
    ],
    ["that ends before them starts with its own first", 30_000, 39_999, { first: 30_000, last: 39_999 }, 30_023],
  ])("of a range %s", (_, from, to, first, startAt) => {
    const sourcePorts = { first: from, last: to };
    expect(planPorts({ sourcePorts, isSingle: false }, readings)).toEqual({
      ...{ chosenBy: "us", range: sourcePorts, startAt, first, except: [] },
    });
  });

  it("skip servers' ports, in order, unless there are no others", () => {
    const sourcePorts = { first: 30_000, last: 30_002 };
    const except = (...ports: number[]) =>
      (planPorts({ sourcePorts, isSingle: false }, readings, ports.map(server)) as { except: readonly number[] })
        .except;
    expect(except(30_002, 30_000, 29_999, 30_003)).toEqual([30_000, 30_002]);
    expect(except(30_000, 30_001, 30_002)).toEqual([]);
  });
});
