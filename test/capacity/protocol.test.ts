// Tests predictions with a protocol from made-up costs: each side's memory and CPU, heartbeats, and the text.
import { describe, expect, it } from "vitest";
import { COMMITTED_COST, uncalibrated } from "../../src/capacity/calibration.js";
import type { Load } from "../../src/capacity/load.js";
import { predict } from "../../src/capacity/predict.js";
import { predictionText } from "../../src/output/text/doctor.js";
import { SCHEME_NAMES } from "../../src/results/identifiers.js";
import type { ConnectionCost, Role } from "../../src/results/prediction.js";
import { hostFacts, localLoad } from "../support/doctor.js";

const PROTOCOL: NonNullable<ConnectionCost["protocol"]> = {
  scheme: "wss",
  userBytes: { client: 20_000, server: 10_000 },
  cpuSecondsPerConnection: { client: 0.002, server: 0.001 },
  handshakesPerSec: { full: { client: 500, server: 1000 }, resumed: { client: 1500, server: 2000 } },
  heartbeats: {
    name: "ping",
    intervalSeconds: 64,
    // In binary fractions, so that sums are exact.
    cpuSeconds: { client: 2 ** -14, server: 2 ** -15 },
    wireBytes: 300,
    perMillion: { cores: { client: 0.67, server: 0.33 }, bitsPerSec: 40_000_000 },
  },
};
const COST: ConnectionCost = {
  ...COMMITTED_COST,
  kernelBytesPerEnd: 4000,
  chargedBytesPerEnd: 2500,
  userBytesPerEnd: 15_000,
  isMeasured: true,
  protocol: PROTOCOL,
};
const GIB = 2 ** 30;
const facts = hostFacts({
  nofile: { soft: 1e9, hard: 1e9 },
  nrOpen: 1e9,
  fileMax: 1e9,
  epollWatches: 1e9,
  memory: { bound: "host", availableBytes: 2 * GIB, floorBytes: GIB },
});
const ask = (role: Role, changed: Partial<Load> = {}, changedFacts: Partial<typeof facts> = {}) =>
  predict({
    facts: { ...facts, ...changedFacts },
    load: localLoad({ role, cost: COST, ...changed }),
    obstacle: undefined,
  });

describe("a prediction with a protocol", () => {
  it.each([
    ["server", 14_000, 0.001],
    ["client", 24_000, 0.002],
    ["both", 38_000, 0.003],
  ] as const)("for %s includes the memory and CPU of this side", (role, bytes, cpuSeconds) => {
    const { cost, ceiling, binding, cpu } = ask(role);
    expect(cost.bytesPerConnection).toBe(bytes);
    expect([binding?.id, ceiling]).toEqual(["memory", Math.floor(GIB / bytes)]);
    expect(cpu.connectionsPerSec).toBeCloseTo(facts.cpus / cpuSeconds, 6);
  });

  it("includes the kernel memory charged to a cgroup, and this side's own memory", () => {
    const cgroupMemory = { bound: "cgroup", availableBytes: GIB, floorBytes: 0 } as const;
    const { limits } = ask("server", {}, { cgroupMemory, residentBytes: 60 * 2 ** 20 });
    expect(limits.find(({ id }) => id === "cgroup-memory")!.allows).toBe(Math.floor(GIB / 12_500));
  });

  it("uses the memory of the given program instead, on each side", () => {
    const cost = { ...COST, userBytesPerEnd: 1000, isUserMemoryGiven: true };
    expect(ask("both", { cost }).cost.bytesPerConnection).toBe(10_000);
  });

  it("treats heartbeats as a CPU limit on this side", () => {
    const memory = { bound: "host", availableBytes: 1e15, floorBytes: 0 } as const;
    const limit = (role: Role) => ask(role, {}, { memory }).limits.find(({ id }) => id === "cpu")!.allows;
    expect([limit("client"), limit("server"), limit("both")]).toEqual([2 ** 21, 2 ** 22, Math.floor(2 ** 22 / 3)]);
    const withoutHeartbeats = { cost: { ...COST, protocol: { ...PROTOCOL, heartbeats: undefined } } };
    expect(ask("both", withoutHeartbeats).limits.find(({ id }) => id === "cpu")!.allows).toBe("unlimited");
  });
});

describe("its text", () => {
  const lines = (role: Role, cost: ConnectionCost = COST) => predictionText(ask(role, { cost }), false).split("\n");
  const line = (role: Role, label: string) => lines(role).find((each) => each.trim().startsWith(label));

  it("says that a message's cost was not measured although other costs were", () => {
    const text = (areMessagesMeasured: boolean) =>
      predictionText(ask("both", { messageRatePerSec: 1, cost: { ...COST, areMessagesMeasured } }), false);
    expect(text(false)).toMatch(/, at [\d.]+ µs \(a built-in figure: too few could be measured\) of CPU per message/);
    expect(text(true)).toMatch(/, at [\d.]+ µs of CPU per message/);
  });

  it("names each side's share", () => {
    expect(lines("both")[0]).toMatch(/^this host can hold both ends of [\d,]+ wss:\/\/ connections /);
    expect(line("both", "memory")).toMatch(
      /37\.1 KiB per connection for both ends \(per end: kernel 3\.91 KiB, user 19\.5 KiB for the client, 9\.77 KiB for the server; measured just now\)$/,
    );
    expect(line("both", "handshakes")).toMatch(
      /per core: 500\/s for the client, 1,000\/s for the server; resumed 1,500\/s for the client, 2,000\/s for the server$/,
    );
    expect(line("both", "heartbeats")).toMatch(
      /1,000,000 connections with a ping every 64 s take 0\.67 cores for the client, 0\.33 cores for the server; 40\.0 Mbit\/s on the wire$/,
    );
  });

  it("covers only the side on this host", () => {
    expect(line("server", "memory")).toMatch(/for this end \(kernel 3\.91 KiB, user 9\.77 KiB; measured just now\)$/);
    expect(line("server", "handshakes")).toMatch(/per core: 1,000\/s; resumed 2,000\/s$/);
    expect(line("client", "heartbeats")).toMatch(/take 0\.67 cores; 40\.0 Mbit\/s on the wire$/);
  });

  it("leaves out what was not measured", () => {
    const { handshakesPerSec: _handshakes, heartbeats: _heartbeats, ...rest } = PROTOCOL;
    expect(lines("both", { ...COST, protocol: rest }).join("\n")).not.toMatch(/handshakes|heartbeats/);
    expect(lines("both", COMMITTED_COST).join("\n")).not.toMatch(/handshakes|heartbeats|:\/\//);
  });
});

describe("built-in costs", () => {
  it.each(SCHEME_NAMES)("of %s cover both sides and say that they were not measured", (scheme) => {
    const { cost, obstacle } = uncalibrated("no room", scheme);
    const { userBytes, cpuSecondsPerConnection } = cost.protocol!;
    expect(obstacle).toBe("no room");
    expect(cost).toMatchObject({
      isMeasured: false,
      userBytesPerEnd: (userBytes.client + userBytes.server) / 2,
      cpuSecondsPerConnection: cpuSecondsPerConnection.client + cpuSecondsPerConnection.server,
    });
    const isSecure = ["tls", "wss", "https", "mqtts"].includes(scheme);
    expect(userBytes.server > 10_000).toBe(isSecure);
    expect(cost.protocol).not.toHaveProperty("heartbeats");
  });
});
