// Tests the library's options: they are copied at the time of the call, checked before anything is opened, and rejected
// with an AppError.
import { describe, expect, it } from "vitest";
import { checkConnectOptions } from "../../src/client/options-schema.js";
import type { ConnectOptions, ServeOptions } from "../../src/index.js";
import type { TlsOptions } from "../../src/planning/tls.js";
import { checkServeOptions } from "../../src/server/options-schema.js";
import { ownAddress } from "../support/address.js";
import { countDescriptors } from "../support/kernel.js";
import {
  AppError,
  connect,
  explainRun,
  LIBRARY_FILE,
  parseAddressRanges,
  predictCapacity,
  renderReport,
  serve,
} from "../support/library.js";
import { startClient, startServer, startServerProcess } from "../support/peers.js";
import { connectResult, serveResult } from "../support/results.js";

const { pressure, socketTable } = (await import(
  /* @vite-ignore */ LIBRARY_FILE
)) as typeof import("../../src/index.js");

const TO = "127.0.0.1:1";
type Call = (options: never) => Promise<unknown>;

/** Mistakes that callers make, with the expected error message. */
const REFUSED: readonly (readonly [string, Call, unknown, RegExp])[] = [
  ["connect: nothing", connect, undefined, /^connect\(\) takes an options object, not undefined$/],
  ["connect: a text", connect, TO, /takes an options object, not "127\.0\.0\.1:1"$/],
  ["connect: a list", connect, [], /takes an options object, not an empty list$/],
  ["connect: no destination", connect, {}, /^connect\(\): to takes destinations/],
  ["connect: a number as destination", connect, { to: 5 }, /^connect\(\): to takes destinations, .* not 5$/],
  ["connect: a list of numbers", connect, { to: [7777] }, /^connect\(\): to takes destinations/],
  ["connect: null as destination", connect, { to: null }, /not null$/],
  [
    "connect: an AbortController as signal",
    connect,
    { to: TO, signal: new AbortController() },
    /signal takes an AbortSignal \(a controller's \.signal\), not an AbortController/,
  ],
  ["connect: an object as stages", connect, { to: TO, stages: {} }, /stages takes a list of \{ durationMs, target \}/],
  ["connect: a text as stage", connect, { to: TO, stages: ["30s:10k"] }, /stages\[0\]/],
  [
    "connect: a stage without a target",
    connect,
    { to: TO, stages: [{ durationMs: 1 }] },
    /stages\[0\]\.target takes a number, not undefined/,
  ],
  ["connect: a text as count", connect, { to: TO, connections: "10" }, /connections takes a number, not "10"/],
  ["connect: NaN", connect, { to: TO, connections: Number.NaN }, /connections takes a number, not NaN/],
  ["connect: a count out of range", connect, { to: TO, connections: 1e99 }, /invalid connections: 1e\+99/],
  ["connect: no as authorization", connect, { to: TO, authorized: "no" }, /authorized takes true or false, not "no"/],
  ["connect: 1 as a flag", connect, { to: TO, oneTable: 1 }, /oneTable takes true or false, not 1/],
  [
    "connect: an unknown close mode",
    connect,
    { to: TO, close: "reset" },
    /close takes one of "rst", "fin", not "reset"/,
  ],
  ["connect: invalid sources", connect, { to: TO, sources: [{}] }, /sources takes addresses/],
  [
    "connect: a source that is not an address",
    connect,
    { to: TO, sources: "nowhere" },
    /"nowhere" is not an IP address/,
  ],
  ["connect: invalid source ports", connect, { to: TO, sourcePorts: "all" }, /^"all" is not a port$/],
  ["connect: ports as a number", connect, { to: TO, sourcePorts: 5 }, /sourcePorts takes ports/],
  ["connect: an array of numbers as message", connect, { to: TO, message: [1, 2] }, /message takes a string or bytes/],
  [
    "connect: a timeout by another name",
    connect,
    { to: TO, connectTimeout: 5 },
    /^connect\(\) has no option "connectTimeout"$/,
  ],
  ["connect: an empty server name", connect, { to: `tls://${TO}`, serverName: "" }, /invalid server name: ""/],
  [
    "connect: no IP address",
    connect,
    { to: `tls://${TO}`, serverName: "999.1.1.1" },
    /invalid IP address as the server/,
  ],
  ["connect: a misspelt option name", connect, { to: TO, conections: 5 }, /^connect\(\) has no option "conections"$/],
  ["serve: nothing", serve, undefined, /^serve\(\) takes an options object/],
  ["serve: no address", serve, {}, /^serve\(\): at takes a string, not undefined$/],
  ["serve: a port as address", serve, { at: 7777 }, /at takes a string, not 7777/],
  [
    "serve: an unknown log mode",
    serve,
    { at: TO, log: "bogus" },
    /log takes one of "first", "all", "none", not "bogus"/,
  ],
  ["serve: an unknown mode", serve, { at: TO, mode: "helo" }, /mode takes one of .*"echo".*, not "helo"/],
  [
    "serve: an AbortController as signal",
    serve,
    { at: "127.0.0.1:0", signal: new AbortController() },
    /signal takes an AbortSignal/,
  ],
  ["serve: a text as backlog", serve, { at: TO, backlog: "5" }, /backlog takes a number/],
  ["serve: an unknown option", serve, { at: TO, port: 5 }, /^serve\(\) has no option "port"$/],
  ["socketTable: a text instead of options", socketTable, "7777", /^socketTable\(\) takes an options object/],
  ["socketTable: a single state", socketTable, { states: "LISTEN" }, /states takes a list of states/],
  ["socketTable: an unknown state", socketTable, { states: ["OPEN"] }, /states\[0\] takes one of .*not "OPEN"/],
  ["socketTable: a fractional port", socketTable, { port: 1.5 }, /port takes a port/],
  ["socketTable: a port out of range", socketTable, { port: 70_000 }, /port 70000 .*out of range/],
  ["socketTable: zero rows", socketTable, { top: -1 }, /top takes a whole number above 0, not -1/],
  [
    "pressure: states, which it does not take",
    pressure,
    { states: ["LISTEN"] },
    /^pressure\(\) has no option "states"$/,
  ],
  ["pressure: an unknown family", pressure, { family: 5 }, /family takes one of 4, 6, not 5/],
  ["predictCapacity: an unknown role", predictCapacity, { role: "both ends" }, /role takes one of/],
  ["predictCapacity: a text as count", predictCapacity, { connections: "1m" }, /connections takes a number/],
  ["predictCapacity: a text as flag", predictCapacity, { measure: "no" }, /measure takes true or false/],
  ["renderReport: nothing", renderReport, undefined, /is not a run result/],
  ["renderReport: a diagnosis", renderReport, { kind: "diagnosis" }, /kind is "diagnosis"/],
  ["renderReport: an incomplete result", renderReport, { kind: "connect", version: 1 }, /is missing/],
];

describe("a mistake is rejected with an AppError before anything is opened", () => {
  it.each(REFUSED)("%s", async (_, call, options, said) => {
    const before = countDescriptors();
    const error = await call(options as never).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(AppError);
    const { code, message, fix } = error as InstanceType<typeof AppError>;
    expect(message).toMatch(said);
    expect(code).toMatch(/^E_(OPTION|ADDRESS)$/);
    expect(fix).toMatch(/\w/);
    expect(countDescriptors()).toBeLessThanOrEqual(before);
  });

  it("an unknown option is answered with the closest known one", async () => {
    for (const [wrong, meant] of [
      ["conections", "connections"],
      ["connectTimeout", "connectTimeoutMs"],
      ["duration", "durationMs"],
      ["sourcePort", "sourcePorts"],
    ]) {
      await expect(connect({ to: TO, [wrong!]: 1 } as never)).rejects.toMatchObject({
        fix: expect.stringMatching(`^did you mean ${meant}\\? The options are to, `),
      });
    }
  });

  it("mistakes in explaining results and parsing addresses are rejected too", async () => {
    for (const value of [undefined, null, 5, {}, { kind: "connect" }]) {
      await expect(explainRun(value as never)).rejects.toThrow(AppError);
    }
    expect(() => parseAddressRanges(5 as never)).toThrow(AppError);
  });
});

describe("common first attempts are accepted", () => {
  it("sources and source ports as text", async () => {
    const server = await startServer();
    const to = `${server.address.ip}:${server.address.port}`;
    for (const sources of ["127.0.0.2", ["127.0.0.2"], parseAddressRanges("127.0.0.2")]) {
      const run = await startClient({ to, connections: 3, sources, sourcePorts: "20000-20999", durationMs: 0 });
      const { established, plan } = await run.done;
      expect([established, plan.sourceAddresses, plan.sourcePorts]).toEqual([3, 1, "20000-20999"]);
    }
  });

  it("undefined options, and a result from JSON", async () => {
    const server = await startServer({ mode: undefined, signal: undefined });
    expect(server.address.port).toBeGreaterThan(0);
    const parsed = JSON.parse(JSON.stringify(connectResult()));
    expect(await renderReport(parsed)).toMatch(/^<!doctype html>/);
    expect(await renderReport(connectResult())).toBe(await renderReport(parsed));
    expect(await renderReport(serveResult())).toMatch(/^<!doctype html>/);
  });
});

describe("changes by the caller after the call", () => {
  it("have no effect", async () => {
    const server = await startServer({ mode: "echo" });
    const message = new Uint8Array([1, 2, 3]);
    const options = {
      to: [`${server.address.ip}:${server.address.port}`],
      stages: [{ durationMs: 50, target: 4 }],
      message,
      durationMs: 300,
    } satisfies ConnectOptions;
    const starting = startClient(options);
    options.to[0] = "127.0.0.1:1";
    options.stages[0]!.target = 50_000;
    options.stages.push({ durationMs: 1, target: 90_000 });
    message.fill(9);
    Object.assign(options, { connections: 7, signal: 5, message: "" });
    const run = await starting;
    expect(run.spec.message).toMatchObject({ base64: Buffer.from([1, 2, 3]).toString("base64") });
    const { requested, destinations, traffic } = await run.done;
    expect([requested, destinations]).toEqual([4, [`${server.address.ip}:${server.address.port}`]]);
    expect(traffic.answeredMessages).toBeGreaterThan(0);
  });

  it("have no effect on a server either", async () => {
    const options = { at: `${ownAddress()}:0`, mode: "echo" as "echo" | "hello" };
    const starting = serve(options);
    options.at = "nowhere";
    options.mode = "hello";
    const server = await starting;
    expect(server.address.ip).toMatch(/^127\./);
    await server.stop();
  });
});

it("checking options takes no descriptors from a process that has few", async () => {
  const { process: server } = await startServerProcess({}, { nofile: 50 });
  await server.kill("SIGTERM");
  expect(server.stderr).toBe("");
});

describe("every valid option is passed on unchanged", () => {
  const { signal } = new AbortController();
  const sources = parseAddressRanges("127.0.0.2");
  const TLS: Required<TlsOptions> = {
    ...{ ca: "ca.pem", cert: "cert.pem", key: "key.pem" },
    ...{ tlsVersion: "1.3", ciphers: "TLS_AES_128_GCM_SHA256", alpn: ["h2"], tlsResume: true },
  };
  const given: Required<ConnectOptions> = {
    to: [TO],
    resolve: "first",
    family: 4,
    connections: 5,
    connectRatePerSec: 0.5,
    stages: [{ durationMs: 5, target: 0 }],
    concurrency: 6,
    connectTimeoutMs: 7,
    durationMs: Number.POSITIVE_INFINITY,
    sources,
    sourcePorts: { first: 1024, last: 2000 },
    message: new Uint8Array([1]),
    messageRatePerSec: 0.033,
    requests: 14,
    reopen: false,
    expect: "any",
    firstMessage: "hello",
    awaitGreeting: true,
    headers: ["A: b"],
    subprotocol: "chat",
    binary: true,
    pingIntervalMs: 10,
    maxMessageBytes: 11,
    handshakeTimeoutMs: 12,
    method: "PUT",
    body: "text",
    closeAfterResponse: false,
    responseTimeoutMs: 13,
    ...{ mqttVersion: "3.1.1", clientId: "c-%i", username: "u", password: "p", keepAliveMs: 1000 },
    ...{ keepSession: true, sessionExpiryMs: 1000, subscribe: ["a/+", "b/#"], publish: "c", qos: 2, retain: true },
    ...{ willTopic: "w", willMessage: "gone", willQos: 1, willRetain: true, messageBytes: 100 },
    ...{ protocol: "chat.mjs", seed: 7, data: "users.csv", dataOnce: true },
    ...TLS,
    insecure: true,
    serverName: "example.org",
    proxyProtocol: "v2",
    maxP99Ms: 8,
    minRatePerSec: 9,
    maxFailed: "1%",
    close: "fin",
    closeAfterGreeting: true,
    oneTable: false,
    engine: "uring",
    transport: "packet",
    delayedAck: true,
    apply: true,
    journal: "journal.jsonl",
    authorized: true,
    signal,
  };

  it("of connect()", () => {
    expect(checkConnectOptions(given)).toEqual(given);
    expect(checkConnectOptions(given).signal).toBe(signal);
  });

  it("of serve()", () => {
    const options: Required<ServeOptions> = {
      at: ":0",
      mode: "discard",
      greeting: "",
      closeAfterGreeting: false,
      proxyProtocol: true,
      backlog: 5,
      maxConnections: 6,
      headers: ["A: b"],
      subprotocol: "chat",
      binary: true,
      pingIntervalMs: 10,
      maxMessageBytes: 11,
      handshakeTimeoutMs: 12,
      body: new Uint8Array([1]),
      status: 503,
      eventIntervalMs: 13,
      delayMs: 14,
      refuse: "banned",
      ...{ protocol: "chat.mjs", seed: 7, data: "users.csv", dataOnce: true },
      ...TLS,
      log: "none",
      engine: "epoll",
      transport: "packet",
      delayedAck: true,
      apply: true,
      journal: "journal.jsonl",
      signal,
    };
    expect(checkServeOptions(options)).toEqual(options);
  });
});
