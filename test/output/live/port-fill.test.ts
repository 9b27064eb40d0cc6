// Tests that the live port map shows the ports that the plan's 4-tuples have.
import { expect, it } from "vitest";
import { PortFill } from "../../../src/output/live/port-fill.js";
import { type SourcePorts, type TuplePlan, TupleSequence } from "../../../src/planning/tuple-plan.js";
import { formatIp, parseIp } from "../../../src/util/address.js";

const PORTS: SourcePorts = {
  chosenBy: "us",
  range: { first: 1000, last: 1019 },
  first: { first: 1005, last: 1012 },
  startAt: 1009,
  except: [1003, 1010],
};

const V4 = {
  sources: [{ first: parseIp("127.0.0.2"), count: 3 }],
  destinations: [7777, 7778].map((port) => ({ ip: parseIp("127.0.0.1"), port })),
};
const V6 = {
  sources: [{ first: parseIp("::2"), count: 1 }],
  destinations: [{ ip: parseIp("::1"), port: 7777 }],
};

/** Returns the ports of each source address that the tuples from `from` to `to` use. */
function expected(plan: TuplePlan, from: number, to: number): Record<string, number[]> {
  const sequence = new TupleSequence(plan);
  const found: Record<string, Set<number>> = {};
  for (let index = from; index < to; index++) {
    const { group, source, sourcePort } = sequence.at(index % sequence.count);
    const ip = formatIp(sequence.sourceIp(group, source));
    found[ip] = (found[ip] ?? new Set()).add(sourcePort);
  }
  return Object.fromEntries(Object.entries(found).map(([ip, ports]) => [ip, [...ports].sort((a, b) => a - b)]));
}

function lit(fill: PortFill, taken: number, held: number): Record<string, number[]> {
  const order = fill.ports.order.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, n) => first + n),
  );
  const found: Record<string, number[]> = {};
  fill.spans([{ taken, held }]).forEach((spans, field) => {
    const ports = spans.flatMap((from, at) => (at % 2 === 0 ? order.slice(from, spans[at + 1]) : []));
    if (ports.length > 0) found[fill.ports.fields[field]!.ip] = ports.sort((a, b) => a - b);
  });
  return found;
}

it.each([
  ["one family", [V4]],
  ["both families", [V4, V6]],
])("lights the ports of the tuples taken, with %s", (_, groups) => {
  const plan: TuplePlan = { groups, ports: PORTS };
  const { count } = new TupleSequence(plan);
  const fill = new PortFill([{ plan, connections: count }]);
  expect(fill.ports.fields.filter(({ role }) => role === "client")).toHaveLength(groups.length === 1 ? 3 : 4);
  for (let taken = 0; taken <= count; taken++) expect(lit(fill, taken, taken)).toEqual(expected(plan, 0, taken));
});

it("lights the most recent ones once others are closed, also past the end of the plan", () => {
  const plan: TuplePlan = { groups: [{ ...V4, destinations: V4.destinations.slice(0, 1) }], ports: PORTS };
  const { count } = new TupleSequence(plan);
  const fill = new PortFill([{ plan, connections: count }]);
  for (const [taken, held] of [
    [20, 5],
    [count, 10],
    [count + 4, 7],
    [3 * count + 1, 30],
  ] as const) {
    expect(lit(fill, taken, held)).toEqual(expected(plan, taken - held, taken));
  }
});

it("draws only addresses that the run needs, and says how many are not drawn", () => {
  const many = { ...V4, sources: [{ first: parseIp("127.1.0.1"), count: 100 }] };
  const plan: TuplePlan = { groups: [many], ports: PORTS };
  expect(new PortFill([{ plan, connections: 40 }]).ports.fields.map(({ ip }) => ip)).toEqual([
    "127.0.0.1",
    "127.1.0.1",
    "127.1.0.2",
  ]);
  const all = new PortFill([{ plan, connections: new TupleSequence(plan).count }]);
  expect(all.ports.fields.length + all.ports.omittedAddresses).toBe(101);
});

it("does not guess the kernel's choice", () => {
  const plan: TuplePlan = { groups: [V4], ports: { chosenBy: "kernel", available: 28_232 } };
  const { ports } = new PortFill([{ plan, connections: 1000 }]);
  expect(ports.fields).toEqual([{ ip: "127.0.0.1", role: "server" }]);
  expect(ports.note).toMatch(/kernel chooses/);
});

it("draws the addresses of each worker that has a plan of its own", () => {
  const part = (first: string): TuplePlan => ({
    groups: [{ ...V4, sources: [{ first: parseIp(first), count: 8 }] }],
    ports: { chosenBy: "us", range: { first: 1024, last: 1033 }, startAt: 1024 },
  });
  const fill = new PortFill(["10.64.0.0", "10.64.0.8"].map((ip) => ({ plan: part(ip), connections: 30 })));
  expect(fill.ports.fields.map(({ ip }) => ip)).toEqual([
    ...["127.0.0.1", "10.64.0.0", "10.64.0.1", "10.64.0.8", "10.64.0.9"],
  ]);
  const uses = [
    { taken: 26, held: 26 },
    { taken: 4, held: 4 },
  ];
  expect(fill.spans(uses)).toEqual([[], [0, 10], [0, 3], [0, 2], []]);
});
