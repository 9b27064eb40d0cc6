// Tests what connect() rejects, and that it does so before anything is opened.
import { describe, expect, it } from "vitest";
import type { ConnectOptions } from "../../src/index.js";
import { parseRunSpec } from "../../src/planning/parse-run-spec.js";
import { findTargets } from "../../src/planning/targets.js";
import { ownAddress } from "../support/address.js";
import { countDescriptors } from "../support/kernel.js";
import { connect, parseAddressRanges } from "../support/library.js";

const at = `${ownAddress()}:7777`;
const stage = { durationMs: 1000, target: 10 };

const REFUSED: [string, ConnectOptions, string][] = [
  ["no destination", { to: [] }, "E_OPTION"],
  ["zero connections", { to: at, connections: 0 }, "E_OPTION"],
  ["a negative number of connections", { to: at, connections: -1 }, "E_OPTION"],
  ["half a connection", { to: at, connections: 1.5 }, "E_OPTION"],
  ["1e99 connections", { to: at, connections: 1e99 }, "E_OPTION"],
  ["NaN connections", { to: at, connections: Number.NaN }, "E_OPTION"],
  ["a rate of 0", { to: at, connectRatePerSec: 0 }, "E_OPTION"],
  ["a negative rate", { to: at, connectRatePerSec: -5 }, "E_OPTION"],
  ["a concurrency of 0", { to: at, concurrency: 0 }, "E_OPTION"],
  ["a timeout of 0", { to: at, connectTimeoutMs: 0 }, "E_OPTION"],
  ["a message rate of 0", { to: at, message: "x", messageRatePerSec: 0 }, "E_OPTION"],
  ["a message rate without a message", { to: at, messageRatePerSec: 1 }, "E_OPTION"],
  ["an empty message", { to: at, message: "" }, "E_OPTION"],
  ["stages with a number of connections", { to: at, stages: [stage], connections: 5 }, "E_OPTION"],
  ["messages with --close-after-greeting", { to: at, closeAfterGreeting: true, message: "x" }, "E_OPTION"],
  ["stages with --close-after-greeting", { to: at, closeAfterGreeting: true, stages: [stage] }, "E_OPTION"],
  ["stages with a rate", { to: at, stages: [stage], connectRatePerSec: 5 }, "E_OPTION"],
  ["a stage without a duration", { to: at, stages: [{ durationMs: 0, target: 5 }] }, "E_OPTION"],
  ["stages without any connections", { to: at, stages: [{ durationMs: 10, target: 0 }] }, "E_OPTION"],
  ["port 0", { to: "127.0.0.1:0" }, "E_ADDRESS"],
  ["port 65536", { to: "127.0.0.1:65536" }, "E_ADDRESS"],
  ["garbage", { to: "not an address" }, "E_ADDRESS"],
  ["one valid and one invalid destination", { to: [at, "nonsense:"] }, "E_ADDRESS"],
  ["an invalid host name", { to: "no.such.host.invalid:7777" }, "E_RESOLVE"],
  [
    "a source address of another host",
    { to: at, connections: 2, sources: parseAddressRanges("192.0.2.77") },
    "E_SOURCE",
  ],
  [
    "a source range that ends outside this host",
    { to: at, connections: 2, sources: parseAddressRanges("127.255.255.250-128.0.0.3") },
    "E_SOURCE",
  ],
  ["a source of another family", { to: at, connections: 2, sources: parseAddressRanges("::1") }, "E_NO_SOURCE"],
];

const WRONGLY_TAKEN: [string, ConnectOptions, string][] = [
  [
    "a stage with a fractional target, which would never settle",
    { to: at, stages: [{ durationMs: 50, target: 2.5 }] },
    "E_OPTION",
  ],
  [
    "a stage with a target of NaN, which would never settle",
    { to: at, stages: [{ durationMs: 50, target: Number.NaN }] },
    "E_OPTION",
  ],
  ["a stage with a negative target", { to: at, stages: [stage, { durationMs: 50, target: -3 }] }, "E_OPTION"],
  [
    "a stage with a misspelt target",
    { to: at, stages: [{ durationMs: 50, connections: 5 } as unknown as typeof stage] },
    "E_OPTION",
  ],
  ["a stage with 1e99 connections", { to: at, stages: [{ durationMs: 50, target: 1e99 }] }, "E_OPTION"],
  ["a negative hold", { to: at, connections: 2, durationMs: -1 }, "E_OPTION"],
  ["a hold of NaN", { to: at, connections: 2, durationMs: Number.NaN }, "E_OPTION"],
  ["source ports out of range", { to: at, connections: 2, sourcePorts: { first: 65_000, last: 70_000 } }, "E_ADDRESS"],
  ["reversed source ports", { to: at, connections: 2, sourcePorts: { first: 2000, last: 1000 } }, "E_ADDRESS"],
  ["an unknown close mode", { to: at, connections: 2, close: "slam" as "rst" }, "E_OPTION"],
];

async function refusal(options: ConnectOptions): Promise<{ code: string; fix: string; message: string }> {
  try {
    // Stop here: connect() would open connections next.
    await findTargets(parseRunSpec(options));
  } catch (error) {
    return error as { code: string; fix: string; message: string };
  }
  throw new Error("it was taken");
}

describe("connect() rejects", () => {
  it.each(REFUSED)("%s", async (_, options, code) => {
    const before = countDescriptors();
    const error = await connect(options).then(
      (run) => run.stop().then(() => ({ code: "nothing" })),
      (cause) => cause,
    );
    expect(error).toMatchObject({ code, name: "AppError", message: expect.any(String), fix: expect.any(String) });
    expect(countDescriptors()).toBe(before);
  });

  it.each(WRONGLY_TAKEN)("%s", async (_, options, code) => {
    expect(await refusal(options)).toMatchObject({ code });
  });
});

describe("the default limit", () => {
  // Only the checks are called here, never connect(): no packet may leave for that network.
  const foreign = "192.0.2.1:7777";

  it("rejects more than 1,000 connections to another host, before anything is opened", async () => {
    const before = countDescriptors();
    expect(await refusal({ to: foreign, connections: 1001 })).toMatchObject({
      code: "E_NOT_AUTHORIZED",
      message: expect.stringContaining("192.0.2.1"),
      fix: expect.stringContaining("--authorized"),
    });
    expect(await refusal({ to: [at, foreign], connections: 1_000_000 })).toMatchObject({ code: "E_NOT_AUTHORIZED" });
    expect(await refusal({ to: foreign, stages: [{ durationMs: 1, target: 1001 }] })).toMatchObject({
      code: "E_NOT_AUTHORIZED",
    });
    expect(await refusal({ to: "[2001:db8::1]:7777", connections: 1001 })).toMatchObject({ code: "E_NOT_AUTHORIZED" });
    expect(countDescriptors()).toBe(before);
  });

  it("permits 1,000, more with confirmation, and any number to this host", async () => {
    const plan = async (options: ConnectOptions) => (await findTargets(parseRunSpec(options))).isLocal;
    expect(await plan({ to: foreign, connections: 1000 })).toBe(false);
    expect(await plan({ to: foreign, connections: 1001, authorized: true })).toBe(false);
    expect(await plan({ to: "127.200.3.4:7777", connections: 5_000_000 })).toBe(true);
    expect(await plan({ to: "[::1]:7777", connections: 5000 })).toBe(true);
  });
});

describe("the plan", () => {
  it("takes as many loopback sources as the connections need", async () => {
    const count = async (connections: number) =>
      (await findTargets(parseRunSpec({ to: at, connections }))).plan.groups[0]!.sources[0]!.count;
    // 1024 to 65,535 without the server's own port.
    expect([await count(2), await count(64_511), await count(64_512), await count(1_000_000)]).toEqual([2, 2, 3, 17]);
  });

  it("has every port of a range as a destination", async () => {
    const { plan, endpoints } = await findTargets(parseRunSpec({ to: "127.0.0.1:7777-7786", connections: 10 }));
    expect(plan.groups[0]!.destinations.map(({ port }) => port)).toEqual([...Array(10).keys()].map((n) => 7777 + n));
    expect(endpoints.ports).toEqual([{ first: 7777, last: 7786 }]);
  });
});
