import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  portCount,
  type SourcePorts,
  type TupleGroup,
  type TuplePlan,
  TupleSequence,
} from "../../src/planning/tuple-plan.js";
import { formatIp, parseIp } from "../../src/util/address.js";
import type { AddressRange } from "../../src/util/address-range.js";
import { formatFourTuple } from "../../src/util/endpoint.js";

const range = (ip: string, count = 1): AddressRange => ({ first: parseIp(ip), count });
const to = (ip: string, port: number) => ({ ip: parseIp(ip), port });
const ours = (first: number, last: number, startAt = first): SourcePorts => ({
  chosenBy: "us",
  range: { first, last },
  startAt,
});

/** Generates groups with disjoint addresses: group g has sources 10.g.… and destinations 192.168.g.…. */
const anyGroup = (g: number) =>
  fc
    .record({
      ranges: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      ports: fc.uniqueArray(fc.integer({ min: 1, max: 65535 }), { minLength: 1, maxLength: 4 }),
    })
    .map(
      ({ ranges, ports }): TupleGroup => ({
        sources: ranges.map((count, r) => range(`10.${g}.${r}.254`, count)),
        destinations: ports.map((port) => to(`192.168.${g}.1`, port)),
      }),
    );
const anyPorts = fc
  .tuple(fc.integer({ min: 1, max: 65520 }), fc.integer({ min: 0, max: 15 }), fc.nat())
  .map(([first, more, start]) => ours(first, first + more, first + (start % (more + 1))));
const anyPlan = fc
  .tuple(
    fc.integer({ min: 1, max: 3 }).chain((n) => fc.tuple(...Array.from({ length: n }, (_, g) => anyGroup(g)))),
    anyPorts,
  )
  .map(([groups, ports]): TuplePlan => ({ groups, ports }));

const sourcesOf = (group: TupleGroup) => group.sources.reduce((sum, { count }) => sum + count, 0);

describe("a plan with chosen ports", () => {
  it("has each tuple once, and as many as sources × ports × destinations", () => {
    fc.assert(
      fc.property(anyPlan, (plan) => {
        const sequence = new TupleSequence(plan);
        const expected = plan.groups.reduce(
          (sum, group) => sum + sourcesOf(group) * portCount(plan.ports) * group.destinations.length,
          0,
        );
        const all = Array.from({ length: sequence.count }, (_, index) => formatFourTuple(sequence.describe(index)));
        expect(sequence.count).toBe(expected);
        expect(new Set(all).size).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("uses every source, port and destination of every group", () => {
    fc.assert(
      fc.property(anyPlan, (plan) => {
        const sequence = new TupleSequence(plan);
        const used = { sources: new Set<string>(), ports: new Set<number>(), destinations: new Set<string>() };
        for (let index = 0; index < sequence.count; index++) {
          const tuple = sequence.describe(index);
          used.sources.add(tuple.sourceIp);
          used.ports.add(tuple.sourcePort);
          used.destinations.add(`${tuple.destinationIp}:${tuple.destinationPort}`);
        }
        expect(used.sources.size).toBe(plan.groups.reduce((sum, group) => sum + sourcesOf(group), 0));
        expect(used.destinations.size).toBe(plan.groups.reduce((sum, group) => sum + group.destinations.length, 0));
        if (plan.ports.chosenBy !== "us") return;
        const { first, last } = plan.ports.range;
        expect([...used.ports].sort((a, b) => a - b)).toEqual(
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("varies destinations fastest, then ports, then sources", () => {
    const sequence = new TupleSequence({
      groups: [{ sources: [range("10.0.0.1", 2)], destinations: [to("10.0.1.1", 80), to("10.0.1.1", 81)] }],
      ports: ours(1000, 1001),
    });
    const order = Array.from({ length: sequence.count }, (_, i) => {
      const { sourceIp, sourcePort, destinationPort } = sequence.describe(i);
      return `${sourceIp.at(-1)} ${sourcePort} ${destinationPort}`;
    });
    expect(order).toEqual([
      "1 1000 80",
      "1 1000 81",
      "1 1001 80",
      "1 1001 81",
      "2 1000 80",
      "2 1000 81",
      "2 1001 80",
      "2 1001 81",
    ]);
  });

  it("starts each source at startAt and wraps around", () => {
    const sequence = new TupleSequence({
      groups: [{ sources: [range("10.0.0.1", 2)], destinations: [to("10.0.1.1", 80)] }],
      ports: ours(1024, 1028, 1027),
    });
    const ports = Array.from({ length: sequence.count }, (_, index) => sequence.at(index).sourcePort);
    expect(ports).toEqual([1027, 1028, 1024, 1025, 1026, 1027, 1028, 1024, 1025, 1026]);
  });

  it("uses up the preferred ports before the others, wherever it starts among them", () => {
    const first = { first: 1026, last: 1028 };
    const orderFrom = (startAt: number, except: number[] = []) => {
      const sequence = new TupleSequence({
        groups: [{ sources: [range("10.0.0.1")], destinations: [to("10.0.1.1", 80)] }],
        ports: { chosenBy: "us", range: { first: 1024, last: 1030 }, startAt, first, except },
      });
      return Array.from({ length: sequence.count }, (_, index) => sequence.at(index).sourcePort);
    };
    expect(orderFrom(1026)).toEqual([1026, 1027, 1028, 1029, 1030, 1024, 1025]);
    expect(orderFrom(1028)).toEqual([1028, 1026, 1027, 1029, 1030, 1024, 1025]);
    expect(orderFrom(1028, [1026, 1030])).toEqual([1028, 1027, 1029, 1024, 1025]);
  });

  it("skips ports, even if the first is one of them", () => {
    const sequence = new TupleSequence({
      groups: [{ sources: [range("10.0.0.1", 2)], destinations: [to("10.0.1.1", 80)] }],
      ports: { chosenBy: "us", range: { first: 1024, last: 1029 }, startAt: 1027, except: [1025, 1027] },
    });
    const ports = Array.from({ length: sequence.count }, (_, index) => sequence.at(index).sourcePort);
    expect(ports).toEqual([1028, 1029, 1024, 1026, 1028, 1029, 1024, 1026]);
  });

  it("alternates between groups as long as they have tuples, so that both families of a name fill evenly", () => {
    const sequence = new TupleSequence({
      groups: [
        { sources: [range("10.0.0.1")], destinations: [to("10.0.0.9", 80)] },
        { sources: [range("fd00::1", 2)], destinations: [to("fd00::9", 81)] },
      ],
      ports: ours(5, 6),
    });
    expect(Array.from({ length: 6 }, (_, index) => formatFourTuple(sequence.describe(index)))).toEqual([
      "10.0.0.1:5 → 10.0.0.9:80",
      "[fd00::1]:5 → [fd00::9]:81",
      "10.0.0.1:6 → 10.0.0.9:80",
      "[fd00::1]:6 → [fd00::9]:81",
      "[fd00::2]:5 → [fd00::9]:81",
      "[fd00::2]:6 → [fd00::9]:81",
    ]);
  });

  it("counts a million or more without storing them", () => {
    const sequence = new TupleSequence({
      groups: [{ sources: [range("127.0.0.1", 2 ** 24 - 2)], destinations: [to("127.0.0.1", 7777)] }],
      ports: ours(1024, 65535, 32768),
    });
    expect(sequence.count).toBe((2 ** 24 - 2) * 64512);
    expect(formatFourTuple(sequence.describe(64512))).toBe("127.0.0.2:32768 → 127.0.0.1:7777");
    expect(formatFourTuple(sequence.describe(sequence.count - 1))).toBe("127.255.255.254:32767 → 127.0.0.1:7777");
  });
});

describe("a plan with the kernel's ports", () => {
  it("has port 0 everywhere, and sources alternate", () => {
    const sequence = new TupleSequence({
      groups: [{ sources: [range("10.0.0.1", 3)], destinations: [to("10.0.1.1", 80), to("10.0.1.1", 81)] }],
      ports: { chosenBy: "kernel", available: 4 },
    });
    expect(sequence.count).toBe(3 * 4 * 2);
    const all = Array.from({ length: sequence.count }, (_, index) => ({ ...sequence.at(index) }));
    expect(all.every(({ sourcePort }) => sourcePort === 0)).toBe(true);
    expect(all.slice(0, 6).map(({ source, destination }) => [source, destination])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ]);
    for (let source = 0; source < 3; source++) expect(all.filter((tuple) => tuple.source === source)).toHaveLength(8);
  });
});

describe("sourceIp", () => {
  const sequence = new TupleSequence({
    groups: [
      {
        sources: [range("10.0.0.254", 4), range("10.9.0.1"), range("10.8.0.1", 2)],
        destinations: [to("10.0.1.1", 80)],
      },
    ],
    ports: ours(1, 1),
  });

  it("numbers the addresses across all ranges", () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((source) => formatIp(sequence.sourceIp(0, source)))).toEqual([
      "10.0.0.254",
      "10.0.0.255",
      "10.0.1.0",
      "10.0.1.1",
      "10.9.0.1",
      "10.8.0.1",
      "10.8.0.2",
    ]);
  });

  it("has none beyond the last", () => {
    expect(() => sequence.sourceIp(0, 7)).toThrow(RangeError);
  });
});
