// Tests dealing a run to agents: exact shares by ceiling, source ports of their own, slices that add up.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Candidate, deal, dealLimit, dealPorts } from "../../src/fleet/coordinator/dealing/deal.js";
import { divideShared } from "../../src/fleet/coordinator/dealing/pools.js";
import { remainingSpecs, sliceSpec } from "../../src/fleet/coordinator/dealing/slice.js";
import type { Announcement } from "../../src/fleet/messages.js";
import { spreadKernelMemory } from "../../src/fleet/sums/kernel-counts.js";
import { parseRunSpec } from "../../src/planning/parse-run-spec.js";
import type { RunSpec } from "../../src/planning/run-spec.js";
import { mergeConnect } from "../../src/results/merge/connect.js";
import { weightedShares } from "../../src/util/share.js";
import { connectResult } from "../support/results.js";

const agent = (name: string): Announcement => ({
  id: name,
  name,
  host: name,
  place: name,
  addresses: [],
  version: "1.0.0",
  cores: 2,
  memoryBytes: 1e9,
  allows: "127.0.0.0/8",
});
const candidate = (name: string, connections: number, limit?: string, caps?: string): Candidate => ({
  agent: agent(name),
  ceiling: { connections, limit, caps, addresses: 1 },
  sourcePorts: undefined,
});
const load = (connections: number, more = {}) => parseRunSpec({ to: "10.0.0.9:7777", connections, ...more });

describe("weighted shares", () => {
  it("add up to the total, and exceed no weight that the total does not require", () => {
    const weights = fc
      .array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 9 })
      .filter((all) => all.some((weight) => weight > 0));
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), weights, (total, all) => {
        const shares = weightedShares(total, all);
        const room = all.reduce((sum, weight) => sum + weight, 0);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(total);
        shares.forEach((share, n) => {
          expect(Math.abs(share - (total * all[n]!) / room)).toBeLessThan(1.001);
          if (total <= room) expect(share).toBeLessThanOrEqual(all[n]!);
        });
      }),
    );
  });
});

describe("a deal", () => {
  it("is in proportion to the ceilings", () => {
    const dealt = deal([candidate("a", 1000), candidate("b", 2000), candidate("c", 1000)], load(1001));
    expect(dealt.map(({ agent, connections }) => [agent.name, connections])).toEqual([
      ["a", 250],
      ["b", 501],
      ["c", 250],
    ]);
  });

  it("leaves out agents without room, and those beyond the last connection", () => {
    const names = (connections: number, ceilings: readonly number[]) =>
      deal(
        ceilings.map((ceiling, n) => candidate("abc"[n]!, ceiling)),
        load(connections),
      ).map(({ agent }) => agent.name);
    expect(names(10, [100, 0, 100])).toEqual(["a", "c"]);
    expect(names(2, [10, 20, 30])).toEqual(["b", "c"]);
  });

  it("is refused with what would help, if the fleet is too small", () => {
    const ports = ["source addresses × ports", "source-ports"] as const;
    const refused = () => deal([candidate("a", 64_512, ...ports), candidate("b", 64_512, ...ports)], load(300_000));
    expect(refused).toThrow(
      "the fleet can hold 129,024 of 300,000 connections: a 64,512 (source addresses × ports), b 64,512 (source addresses × ports)",
    );
    expect(refused).toThrow(
      expect.objectContaining({ code: "E_FLEET", fix: "start 3 more agents, or give agent a 3 more addresses" }),
    );
  });

  it("divides the limit of servers by ceiling, and refuses it if none of them can hold any", () => {
    const dealt = dealLimit([candidate("a", 300), candidate("b", 100), candidate("c", 0)], 8);
    expect(dealt.map(({ agent, connections }) => [agent.name, connections])).toEqual([
      ["a", 6],
      ["b", 2],
    ]);
    expect(() => dealLimit([candidate("a", 0, "MemAvailable")], 8)).toThrow(
      "the fleet can hold 0 of 8 connections: a 0 (MemAvailable)",
    );
  });

  it("divides a machine's memory among its agents, by what each could hold alone", () => {
    const memory = (allows: number) => [{ pool: "memory boot", name: "MemAvailable", caps: "memory", allows }];
    const onHost = (name: string, connections: number, allows = 1000): Candidate => {
      const alone = candidate(name, connections, "source ports");
      return { ...alone, agent: { ...alone.agent, host: "h" }, ceiling: { ...alone.ceiling, shared: memory(allows) } };
    };
    const divided = divideShared([onHost("a", 1000), onHost("b", 500, 999), candidate("c", 1000, "memory")]);
    expect(divided.map(({ ceiling: { connections, limit } }) => [connections, limit])).toEqual([
      [666, "MemAvailable, shared by 2 agents"],
      [333, "MemAvailable, shared by 2 agents"],
      [1000, "memory"],
    ]);
    expect(() => deal(divided, load(3000))).toThrow(
      expect.objectContaining({ fix: "start 2 more agents on other machines" }),
    );
    // Below the limit, it does not matter.
    const small = [onHost("a", 500), onHost("b", 400)];
    expect(divideShared(small)).toEqual(small);
  });

  it("divides the source ports among agents with addresses in common", () => {
    const agents = [{ place: "here" }, { place: "there", sources: ["10.0.0.2"] }, { place: "here" }];
    expect(dealPorts(agents, load(10))).toEqual([
      { first: 1024, last: 33_279 },
      undefined,
      { first: 33_280, last: 65_535 },
    ]);
    const behindNat = [
      { place: "x", sources: ["172.17.0.2"] },
      { place: "y", sources: ["172.17.0.2"] },
    ];
    expect(dealPorts(behindNat, load(10, { sourcePorts: "2000-2002" }))).toEqual([
      { first: 2000, last: 2001 },
      { first: 2002, last: 2002 },
    ]);
    expect(() => dealPorts(behindNat, load(10, { sourcePorts: "2000" }))).toThrow(/2 agents share addresses/);
    expect(dealPorts(behindNat, load(10, { sourcePorts: "kernel" }))).toEqual(["kernel", "kernel"]);
  });
});

describe("slices", () => {
  const shares = [5, 3, 2].map((connections) => ({ connections, sourcePorts: undefined }));
  const sums = (values: readonly (number | undefined)[]) =>
    values.reduce<number>((sum, value) => sum + (value ?? 0), 0);

  it("add up to the whole, stage by stage", () => {
    const stages = [
      { durationMs: 100, target: 10 },
      { durationMs: 100, target: 3 },
      { durationMs: 100, target: 0 },
    ];
    const parts = sliceSpec(parseRunSpec({ to: "10.0.0.9:7777", stages }), shares);
    expect(parts.map(({ stages: own }) => own!.map(({ target }) => target))).toEqual([
      [5, 1, 0],
      [3, 1, 0],
      [2, 1, 0],
    ]);
  });

  it("divide rates, windows and messages, and number their connections one after another", () => {
    const whole = load(10, { connectRatePerSec: 100, concurrency: 7, message: "x", requests: 33, maxFailed: 4 });
    const parts = sliceSpec(whole, shares);
    expect(parts.map(({ connectRatePerSec }) => connectRatePerSec)).toEqual([50, 30, 20]);
    expect(sums(parts.map(({ concurrency }) => concurrency))).toBe(7);
    expect(sums(parts.map(({ requests }) => requests))).toBe(33);
    expect(parts.map(({ numberedBefore }) => numberedBefore)).toEqual([0, 5, 8]);
    expect(parts.map(({ turn }) => turn)).toEqual([0, 1, 2].map((index) => ({ index, of: 3 })));
    expect(parts.map(({ thresholds }) => thresholds.maxFailed)).toEqual([4, 4, 4]);
  });

  it("of a lost agent continue at the level of that moment", () => {
    const stages = [
      { durationMs: 1000, target: 100 },
      { durationMs: 1000, target: 20 },
    ];
    const lost = parseRunSpec({ to: "10.0.0.9:7777", stages });
    const stagesFrom = (elapsedMs: number) =>
      remainingSpecs(lost, [{ connections: 50, sourcePorts: undefined }], elapsedMs)[0]!.stages;
    expect(stagesFrom(500)).toEqual([
      { durationMs: 1, target: 25 },
      { durationMs: 500, target: 50 },
      { durationMs: 1000, target: 10 },
    ]);
    expect(stagesFrom(5000)).toEqual([{ durationMs: 1, target: 10 }]);
  });

  it("keeps the turns of messages, by each agent's clock, also for agents that take over connections", () => {
    const turns = { of: 30, sinceMs: 1000 };
    const spec = { ...parseRunSpec({ to: "10.0.0.9:7777", connections: 30, message: "x" }), messageTurns: turns };
    const share = (connections: number, clockOffsetMs: number) => ({
      connections,
      clockOffsetMs,
      sourcePorts: undefined,
    });
    const turnsOf = (parts: readonly RunSpec[]) =>
      parts.map(({ numberedBefore, messageTurns }) => [numberedBefore, messageTurns]);
    const parts = sliceSpec(spec, [share(20, 7), share(10, -3)]);
    expect(turnsOf(parts)).toEqual([
      [0, { of: 30, sinceMs: 1007 }],
      [20, { of: 30, sinceMs: 997 }],
    ]);
    expect(turnsOf(remainingSpecs(parts[1]!, [share(10, 7 - -3)], 0))).toEqual([[20, { of: 30, sinceMs: 1007 }]]);
    expect(
      sliceSpec(parseRunSpec({ to: "10.0.0.9:7777", connections: 2 }), [share(2, 5)])[0]!.messageTurns,
    ).toBeUndefined();
  });

  it("adds up when a lost agent's part is divided", () => {
    const [, lost] = sliceSpec(
      load(20, { message: "x", requests: 11 }),
      [15, 5].map((connections) => ({ connections, sourcePorts: undefined })),
    );
    const parts = remainingSpecs(
      { ...lost!, requests: 5 },
      [3, 1, 1].map((connections) => ({ connections, sourcePorts: undefined })),
      0,
    );
    expect(parts.map(({ connections, requests, numberedBefore }) => [connections, requests, numberedBefore])).toEqual([
      [3, 3, 15],
      [1, 1, 18],
      [1, 1, 19],
    ]);
  });

  it("gives every agent a message", () => {
    const parts = sliceSpec(
      load(10, { message: "x", requests: 2 }),
      [9, 1].map((connections) => ({ connections, sourcePorts: undefined })),
    );
    expect(parts.map(({ requests }) => requests)).toEqual([1, 1]);
  });
});

it("kernel memory that several agents measured on one host is counted once", () => {
  // Two agents on host h saw the memory of all 300 connections, and one on i only its own.
  const part = (established: number, kernelBytesPerConnection: number) =>
    connectResult({
      established,
      memory: { ...connectResult({}).memory, kernelBytesPerConnection, kernelErrorPerConnection: 30 },
    });
  const parts = spreadKernelMemory([part(100, 6000), part(200, 3000), part(100, 2400)], ["h", "h", "i"]);
  expect(parts.map(({ memory }) => [memory.kernelBytesPerConnection, memory.kernelErrorPerConnection])).toEqual([
    [2000, 20],
    [2000, 20],
    [2400, 30],
  ]);
  expect(parts.reduce(mergeConnect).memory.kernelBytesPerConnection).toBe(2100);
});
