// Tests the run spec: one plain object that describes a run, independent of who created it, and that survives a JSON
// round trip.
import { describe, expect, it } from "vitest";
import type { ConnectOptions } from "../../src/planning/connect-options.js";
import { parseRunSpec } from "../../src/planning/parse-run-spec.js";
import { parseAddressRanges } from "../../src/util/address-range.js";

const OPTIONS: [string, ConnectOptions][] = [
  ["one connection", { to: ":7777" }],
  ["a load", { to: ["10.0.0.1:7777-7786", "[::1]:1"], connections: 5000, connectRatePerSec: 0.5, family: 4 }],
  ["a link-local destination", { to: "[fe80::1%eth0]:7777", sources: "fe80::2%eth0" }],
  ["sources as texts and as ranges", { to: "a.test:1", sources: ["10.0.0.0/24", ...parseAddressRanges("::1-::4")] }],
  ["a hold without a time limit", { to: ":1", connections: 2, durationMs: Number.POSITIVE_INFINITY }],
  ["bytes", { to: ":1", connections: 2, message: new Uint8Array([0, 255, 10]), messageRatePerSec: 0.1, expect: "any" }],
  ["requests", { to: "https://a.test/b?c", connections: 2, messageRatePerSec: 5, body: "text", headers: ["A: b"] }],
  ["stages", { to: ":1", stages: [{ durationMs: 10, target: 3 }], sourcePorts: "2000-3000", maxFailed: "50%" }],
];

describe("a spec", () => {
  it.each(OPTIONS)("of %s survives a JSON round trip", (_, options) => {
    const spec = parseRunSpec(options);
    expect(JSON.parse(JSON.stringify(spec))).toEqual(spec);
  });

  it("has its destinations as objects, each with its own zone", () => {
    const to = ["[fe80::1%eth0]:7777-7779", "example.test:80", ":7777", "a%b:1"];
    expect(parseRunSpec({ to }).destinations).toEqual([
      { host: "fe80::1", zone: "eth0", ports: { first: 7777, last: 7779 } },
      { host: "example.test", ports: { first: 80, last: 80 } },
      { host: "127.0.0.1", ports: { first: 7777, last: 7777 } },
      // A host name has no zone.
      { host: "a%b", ports: { first: 1, last: 1 } },
    ]);
  });

  it("has every default filled in", () => {
    expect(parseRunSpec({ to: ":7777" })).toMatchObject({
      connections: 1,
      isSingle: true,
      resolve: "all",
      concurrency: 1024,
      connectTimeoutMs: 10_000,
      durationMs: "forever",
      close: "fin",
    });
    expect(parseRunSpec({ to: ":7777", connections: 1001 })).toMatchObject({
      isSingle: false,
      durationMs: 10_000,
      close: "rst",
      authorized: false,
    });
    expect(parseRunSpec({ to: ":7777", message: "ping" }).message).toEqual({
      base64: "cGluZw==",
      ratePerSec: 1,
      expect: "echo",
    });
  });

  it("has the given values instead of the defaults", () => {
    const given: Partial<ConnectOptions> = {
      connections: 2,
      concurrency: 3,
      connectTimeoutMs: 4,
      durationMs: 6,
      resolve: "first",
      close: "rst",
      closeAfterGreeting: true,
      oneTable: true,
      engine: "epoll",
      authorized: true,
    };
    expect(parseRunSpec({ to: ":1", ...given })).toMatchObject(given);
    expect(parseRunSpec({ to: "ws://127.0.0.1:1/", handshakeTimeoutMs: 5 }).handshakeTimeoutMs).toBe(5);
    const flags = { closeAfterGreeting: false, oneTable: false, engine: "auto", authorized: false, stages: undefined };
    expect(parseRunSpec({ to: ":1" })).toMatchObject(flags);
    expect(parseRunSpec({ to: ":1", sourcePorts: "kernel" }).sourcePorts).toBe("kernel");
    expect(parseRunSpec({ to: ":1", sourcePorts: { first: 5, last: 7 } }).sourcePorts).toEqual({ first: 5, last: 7 });
    const staged = { to: ":1", stages: [{ durationMs: 1, target: 1 }] };
    expect(parseRunSpec(staged)).toMatchObject({
      connections: 1,
      isSingle: false,
      durationMs: 10_000,
      stages: staged.stages,
    });
  });

  it("is the same for addresses given as text, as ranges or IPv4-mapped", () => {
    const spec = (sources: ConnectOptions["sources"]) => parseRunSpec({ to: ":1", sources }).sources;
    expect(spec("10.0.0.2-10.0.0.5")).toEqual([{ first: "10.0.0.2", count: 4 }]);
    expect(spec(parseAddressRanges("10.0.0.2-10.0.0.5"))).toEqual(spec(["10.0.0.2-10.0.0.5"]));
    expect(spec("::ffff:10.0.0.2")).toEqual([{ first: "10.0.0.2", count: 1 }]);
  });
});

describe("a spec is rejected", () => {
  const stage = { durationMs: 1000, target: 10 };
  const REFUSED: [string, Partial<ConnectOptions>][] = [
    ["no destination", { to: [] }],
    ["stages with a number of connections", { stages: [stage], connections: 10 }],
    ["stages with a rate", { stages: [stage], connectRatePerSec: 1 }],
    ["stages without any connections", { stages: [{ durationMs: 1000, target: 0 }] }],
    ["a stage without a duration", { stages: [{ durationMs: 0, target: 1 }] }],
    ["zero connections", { connections: 0 }],
    ["a fractional number of connections", { connections: 1.5 }],
    ["2^31 connections", { connections: 2 ** 31 }],
    ["no rate", { connectRatePerSec: 0 }],
    ["a concurrency of 0", { concurrency: 0 }],
    ["a fractional concurrency", { concurrency: 0.5 }],
    ["a connect timeout of 0", { connectTimeoutMs: 0 }],
    ["a message rate of 0", { connections: 2, message: "x", messageRatePerSec: 0 }],
    ["a p99 limit of 0", { maxP99Ms: 0 }],
    ["a minimum rate of 0", { minRatePerSec: 0 }],
    ["a stage with a fractional target", { stages: [{ durationMs: 1000, target: 0.5 }] }],
    ["a negative duration", { durationMs: -1 }],
    ["a duration that is not a number", { durationMs: Number.NaN }],
    ["an unknown resolve mode", { resolve: "last" as never }],
    ["an unknown family", { family: 5 as never }],
    ["an unknown close mode", { close: "off" as never }],
    ["an unknown engine", { engine: "poll" as never }],
    ["one table with the uring engine", { engine: "uring", oneTable: true }],
    ["delayed ACKs of the kernel", { delayedAck: true }],
    ["an unknown version of the PROXY protocol", { proxyProtocol: "v3" as never }],
    ["closing after the greeting, with messages", { connections: 2, message: "x", closeAfterGreeting: true }],
    ["closing after the greeting, with stages", { stages: [stage], closeAfterGreeting: true }],
    [
      "closing after the greeting, with a first message",
      { connections: 2, firstMessage: "x", closeAfterGreeting: true },
    ],
    ["closing after the greeting, and awaiting it", { connections: 2, awaitGreeting: true, closeAfterGreeting: true }],
    ["one client id for many", { to: "mqtt://127.0.0.1:1", connections: 2, clientId: "a" }],
    ["one client id for stages", { to: "mqtt://127.0.0.1:1", stages: [stage], clientId: "a" }],
    ["a first message over WebSocket", { to: "ws://127.0.0.1:1/", connections: 2, firstMessage: "x" }],
    ["destinations with different schemes", { to: ["ws://127.0.0.1:1/", "127.0.0.1:2"] }],
    ["destinations with different paths", { to: ["ws://127.0.0.1:1/a", "ws://127.0.0.1:1/b"] }],
    ["closing after the greeting over WebSocket", { to: "ws://127.0.0.1:1/", closeAfterGreeting: true }],
    ["a text message that is not UTF-8", { to: "ws://127.0.0.1:1/", connections: 2, message: new Uint8Array([255]) }],
    ["a negative number of failures", { maxFailed: -1 }],
    ["a fractional number of failures", { maxFailed: 0.5 }],
    ["more than 100% of failures", { maxFailed: "101%" }],
  ];

  it.each(REFUSED)("with %s", (_, options) => {
    expect(() => parseRunSpec({ to: ":1", ...options })).toThrow(expect.objectContaining({ code: "E_OPTION" }));
  });

  const TAKEN: [string, Partial<ConnectOptions>][] = [
    ["an engine", { connections: 2, engine: "epoll" }],
    ["one table", { connections: 2, oneTable: true }],
    ["rings", { connections: 2, engine: "uring" }],
    ["a family and a resolver's first address", { connections: 2, family: 6, resolve: "first" }],
    ["the PROXY protocol", { connections: 2, proxyProtocol: "v2" }],
    ["closing after the greeting", { connections: 2, closeAfterGreeting: true }],
    ["a numbered client id for many", { to: "mqtt://127.0.0.1:1", connections: 2, clientId: "a-%i" }],
    ["a duration of 0", { connections: 2, durationMs: 0 }],
    ["the maximum number of connections", { connections: 2 ** 31 - 1 }],
    ["a stage that ends with no connections", { stages: [stage, { durationMs: 1, target: 0 }] }],
    ["a rate below one", { connections: 2, connectRatePerSec: 0.001 }],
    [
      "any bytes as a binary message",
      {
        ...{ to: "ws://127.0.0.1:1/", connections: 2, message: new Uint8Array([255]), binary: true },
      },
    ],
  ];

  it.each(TAKEN)("but not with %s", (_, options) => {
    expect(parseRunSpec({ to: ":1", ...options }).connections).toBeGreaterThan(1);
  });
});

it("allows failures as a number, or as a share of the connections, rounded down", () => {
  const allowed = (maxFailed: number | string, connections = 150) =>
    parseRunSpec({ to: ":1", connections, maxFailed }).thresholds.maxFailed;
  expect([allowed(0), allowed(7), allowed("1k"), allowed("0%"), allowed(" 1.5 % ")]).toEqual([0, 7, 1000, 0, 2]);
  // 29% of 100 must not come out lower in floating point.
  expect([allowed("100%"), allowed("29%", 100)]).toEqual([150, 29]);
  expect(parseRunSpec({ to: ":1" }).thresholds.maxFailed).toBeUndefined();
});
