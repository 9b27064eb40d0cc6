// Tests merging: the merged parts of a run equal the run, for any parts, order and grouping.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConnectResult } from "../../../src/results/connect.js";
import type { FailureReport } from "../../../src/results/fields.js";
import { Histogram } from "../../../src/results/histogram/histogram.js";
import { summarizeLatency } from "../../../src/results/histogram/summarize.js";
import { mergeConnect } from "../../../src/results/merge/connect.js";
import { mergeServe } from "../../../src/results/merge/serve.js";
import type { Miss } from "../../../src/results/outcome.js";
import type { ServeResult } from "../../../src/results/serve.js";
import { STEPS } from "../../../src/util/steps.js";
import { serveResult } from "../../support/results.js";

const DAY_MS = Date.UTC(2026, 0, 1);
const HELD_MS = 20_000;
const CLOSED_MS = 20_500;
const DESTINATIONS = ["127.0.0.1:1001", "127.0.0.1:1002", "127.0.0.1:1003"];
const ENDPOINTS = DESTINATIONS.map((_, n) => ({ ip: "127.0.0.1", port: 1001 + n }));
const FAILURES = [
  { phase: "bind", errno: "EADDRINUSE" },
  { phase: "connect", errno: "ECONNREFUSED" },
  { phase: "connect", errno: "ETIMEDOUT" },
] as const;

/** One connection attempt of a run. Times are whole milliseconds, so that sums are exact. */
const attempt = fc.record({
  to: fc.nat(DESTINATIONS.length - 1),
  failure: fc.option(fc.nat(FAILURES.length - 1), { nil: undefined }),
  isLost: fc.boolean(),
  atMs: fc.integer({ min: 100, max: 9000 }),
  handshakeUs: fc.integer({ min: 1, max: 20_000 }),
  answersUs: fc.array(fc.integer({ min: 1, max: 3_600_000_000 }), { maxLength: 4 }),
  unanswered: fc.nat(3),
  delayMs: fc.nat(500),
});
type Attempt = typeof attempt extends fc.Arbitrary<infer T> ? T : never;
const part = fc.record({ startMs: fc.nat(90), attempts: fc.array(attempt, { minLength: 1, maxLength: 12 }) });
type Part = typeof part extends fc.Arbitrary<infer T> ? T : never;

function resultOf(parts: readonly Part[]): ConnectResult {
  const attempts = parts.flatMap((one) => one.attempts);
  const startMs = Math.min(...parts.map((one) => one.startMs));
  const made = attempts.filter(({ failure }) => failure === undefined);
  const lost = made.filter(({ isLost }) => isLost).length;
  const begunMs = Math.min(...attempts.map(({ atMs }) => atMs));
  const rampedMs = Math.max(...attempts.map(({ atMs }) => atMs));
  const answers = made.flatMap(({ answersUs }) => answersUs);
  const unanswered = made.reduce((sum, one) => sum + one.unanswered, 0);
  const latency = {
    connect: latencyOf(made.map(({ handshakeUs }) => handshakeUs)),
    firstByte: latencyOf([]),
    roundTrip: latencyOf(answers),
  };
  const samples = samplesOf(attempts, startMs);
  const ratePerSec = rampedMs === begunMs ? 0 : made.length / ((rampedMs - begunMs) / 1000);
  const thresholds = { maxP99Ms: 5, minRatePerSec: parts.length };
  const p99Ms = (answers.length > 0 ? latency.roundTrip : latency.connect).p99Us / 1000;
  // Each unanswered message also counts as an error response, and as an error of a handler.
  const misses: Miss[] = [
    { kind: "established" as const, count: attempts.length - made.length, of: attempts.length },
    { kind: "lost" as const, count: lost, of: made.length },
    { kind: "unanswered" as const, count: unanswered, of: answers.length + unanswered },
    { kind: "errors" as const, count: unanswered, of: answers.length + unanswered },
    { kind: "handler-errors" as const, count: unanswered, of: made.length },
    { kind: "rate" as const, count: ratePerSec < parts.length ? ratePerSec : -1, of: parts.length },
    { kind: "latency" as const, count: p99Ms > 5 ? p99Ms : -1, of: 5 },
  ].filter(({ kind, count }) => (kind === "rate" ? count >= 0 : count > 0));
  return {
    kind: "connect",
    version: 1,
    startedAt: new Date(DAY_MS + startMs).toISOString(),
    command: "fourtuple connect",
    host: undefined,
    destinations: DESTINATIONS,
    endpoints: ENDPOINTS,
    names: [],
    byDestination: DESTINATIONS.map((to, n) =>
      destinationOf(
        to,
        attempts.filter((one) => one.to === n),
      ),
    ),
    outcome: misses.length > 0 ? "missed" : "met",
    isTargetMet: misses.length === 0,
    misses,
    thresholds,
    requested: attempts.length,
    established: made.length,
    peakOpen: Math.max(...samples.map(({ open }) => open)),
    openAtStop: made.length - lost,
    failed: attempts.length - made.length,
    failures: failuresOf(attempts),
    lost,
    losses: lost > 0 ? [{ phase: "hold", errno: "ECONNRESET", count: lost }] : [],
    setupMs: begunMs - startMs,
    rampMs: rampedMs - begunMs,
    rampShares: { window: 0.5, greetings: 0, descriptors: 0, cpu: 0.25, pace: 0 },
    scheduleMovedMs: Math.max(...attempts.map(({ delayMs }) => delayMs)),
    holdMs: HELD_MS - rampedMs,
    closeMs: CLOSED_MS - HELD_MS,
    samples,
    ratePerSec,
    latency,
    traffic: {
      sentBytes: 10 * (answers.length + unanswered),
      receivedBytes: 10 * answers.length,
      sentMessages: answers.length + unanswered,
      answeredMessages: answers.length,
      blockedMessages: 0,
      answeringConnections: made.filter(({ answersUs }) => answersUs.length > 0).length,
    },
    // Each unanswered message is reported as an error response.
    responses: {
      ...{ "1xx": 0, "2xx": answers.length, "3xx": 0, "4xx": unanswered, "5xx": 0 },
      statuses: unanswered > 0 ? [{ phase: "response", errno: "HTTP 429", count: unanswered }] : [],
      retryAfterMs: Math.max(...attempts.map(({ delayMs }) => delayMs)),
    },
    messages: {
      expected: "echo",
      bytes: 10,
      ratePerSec: 1,
      due: answers.length + unanswered,
      sent: answers.length + unanswered,
      answered: answers.length,
      unanswered,
      inFlight: 0,
      late: 0,
      longestDelayMs: Math.max(...attempts.map(({ delayMs }) => delayMs)),
      missed: 0,
      blocked: 0,
      movedMs: 0,
      youngestUnansweredUs: undefined,
      unsolicitedBytes: 0,
      wrongBytes: 0,
    },
    memory: {
      userBytesPerConnection: made.length === 0 ? 0 : 100,
      kernelBytesPerConnection: made.length === 0 ? 0 : 2000,
      kernelErrorPerConnection: 30,
      kernelEnds: "one",
    },
    kernel: { source: "sock_diag", outgoing: made.length - lost, incoming: 0 },
    plan: {
      tuplesAvailable: 1000 * parts.length,
      tuplesSkipped: 0,
      sourceAddresses: parts.length,
      sourcePorts: "kernel",
    },
    threads: 2 * parts.length,
    hasPrivateTables: true,
    nofileLimit: 1024,
    evidence: {
      deltas: { "TcpExt.ListenDrops": attempts.length },
      settings: { "net.core.somaxconn": 4096 },
      gauges: { "files.open": rampedMs },
      interrupted: false,
    },
  };
}

function latencyOf(values: readonly number[]) {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return summarizeLatency(histogram);
}

function failuresOf(attempts: readonly Attempt[]): FailureReport[] {
  const counted = FAILURES.map((kind, n) => ({
    ...kind,
    count: attempts.filter(({ failure }) => failure === n).length,
  }));
  const place = ({ phase, errno }: FailureReport) => `${STEPS.indexOf(phase)} ${errno}`;
  return counted.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count || (place(a) < place(b) ? -1 : 1));
}

function destinationOf(to: string, attempts: readonly Attempt[]) {
  const failed = attempts.flatMap(({ failure }) => (failure === undefined ? [] : [FAILURES[failure]!]));
  // If several failures came last in a part, any of them is correct; choose the same one on both sides.
  const [lastFailure] = failed.sort((a, b) => (a.errno < b.errno ? -1 : 1));
  return {
    to,
    established: attempts.length - failed.length,
    failed: failed.length,
    ...(lastFailure && { lastFailure }),
  };
}

function samplesOf(attempts: readonly Attempt[], startMs: number) {
  const moments = [...new Set(attempts.map(({ atMs }) => atMs))].sort((a, b) => a - b);
  return moments.map((moment) => {
    const until = attempts.filter(({ atMs }) => atMs <= moment);
    const established = until.filter(({ failure }) => failure === undefined);
    return {
      elapsedMs: moment - startMs,
      open: established.filter(({ isLost }) => !isLost).length,
      established: established.length,
      failed: until.length - established.length,
    };
  });
}

describe("merged results of parts of a run", () => {
  it("equal the result of the run, in any order and grouping", () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 2, maxLength: 5 }), fc.infiniteStream(fc.nat()), (parts, choices) => {
        const whole = resultOf(parts);
        const left = parts.map((one) => resultOf([one]));
        // Merge any two of the remaining results until only one is left.
        while (left.length > 1) {
          const [one] = left.splice(choices.next().value! % left.length, 1);
          const [other] = left.splice(choices.next().value! % left.length, 1);
          left.push(mergeConnect(one!, other!));
        }
        expect(left[0]).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  it("keep what only one of them has, and omit what is unknown in one", () => {
    const one = resultOf([{ startMs: 0, attempts: [sampleAttempt()] }]);
    const { messages: _, kernel: __, ...other } = { ...one, host: undefined, command: "another" };
    for (const both of [mergeConnect(one, other), mergeConnect(other, one)]) {
      expect(both).toMatchObject({ messages: one.messages, kernel: undefined, command: undefined });
    }
  });

  it("with different destinations show the outcome of each", () => {
    const to = (destination: string): ConnectResult => ({
      ...resultOf([{ startMs: 0, attempts: [sampleAttempt()] }]),
      destinations: [destination],
      endpoints: [ENDPOINTS[DESTINATIONS.indexOf(destination)]!],
      byDestination: undefined,
    });
    const [one, other] = [to(DESTINATIONS[0]!), to(DESTINATIONS[1]!)];
    expect(mergeConnect(other, one).endpoints).toEqual(ENDPOINTS.slice(0, 2));
    expect(mergeConnect(mergeConnect(one, other), one).byDestination).toEqual([
      { to: DESTINATIONS[0], established: 2, failed: 0 },
      { to: DESTINATIONS[1], established: 1, failed: 0 },
    ]);
    expect(mergeConnect(one, one).byDestination).toBeUndefined();
  });

  it("are interrupted if one of them was", () => {
    const one = resultOf([{ startMs: 0, attempts: [sampleAttempt()] }]);
    const stopped = { ...one, outcome: "interrupted", isTargetMet: false } as const;
    expect(mergeConnect(one, stopped)).toMatchObject({ outcome: "interrupted", isTargetMet: false });
    expect(mergeConnect(stopped, one)).toMatchObject({ outcome: "interrupted", isTargetMet: false });
  });

  it("with many samples are thinned without losing the shape", () => {
    const samples = Array.from({ length: 600 }, (_, n) => ({ elapsedMs: 10 * n, open: n, established: n, failed: 0 }));
    const one = { ...resultOf([{ startMs: 0, attempts: [sampleAttempt()] }]), samples };
    const later = { ...one, samples: samples.map((sample) => ({ ...sample, elapsedMs: sample.elapsedMs + 5 })) };
    const both = mergeConnect(one, later);
    expect(both.samples.length).toBeLessThanOrEqual(601);
    expect(both.samples.length).toBeGreaterThan(400);
    expect(both.samples.at(-1)).toEqual({ elapsedMs: 5995, open: 1198, established: 1198, failed: 0 });
    expect(both.samples[0]!.elapsedMs).toBe(0);
    expect(both.peakOpen).toBe(1198);
  });

  it("from an older version, without histograms, are rejected", () => {
    const one = resultOf([{ startMs: 0, attempts: [sampleAttempt()] }]);
    const { histogram: _, ...connect } = one.latency.connect;
    const older = { ...one, latency: { ...one.latency, connect } };
    expect(() => mergeConnect(one, older)).toThrow(expect.objectContaining({ code: "E_OPTION" }));
  });
});

describe("merged results of servers", () => {
  const server = fc.record({
    atMs: fc.nat(1000),
    elapsedMs: fc.nat(5000),
    counted: fc.nat(100),
    port: fc.integer({ min: 1, max: 9 }),
    drops: fc.option(fc.nat(9), { nil: undefined }),
  });
  const served = ({ atMs, elapsedMs, counted, port, drops }: typeof server extends fc.Arbitrary<infer T> ? T : never) =>
    serveResult({
      startedAt: new Date(DAY_MS + atMs).toISOString(),
      address: { ip: "10.0.0.1", port },
      elapsedMs,
      accepted: counted,
      peakOpen: counted,
      failures: counted > 50 ? [{ phase: "accept", errno: "EMFILE", count: counted }] : [],
      backlog: { length: 100 + counted, drops, listenOverflows: counted, listenDrops: counted },
      script: {
        ...{ name: "x", file: "/x.mjs", sha256: "", seed: 1, phases: [], counters: [], histograms: [], refusals: [] },
        errors: counted > 50 ? { count: counted, first: [`due() failed for connection ${counted}`] } : undefined,
      },
    });

  it("are the same in any order and grouping, and their counts add up", () => {
    fc.assert(
      fc.property(server, server, server, (...parts) => {
        const [a, b, c] = parts.map(served) as [ServeResult, ServeResult, ServeResult];
        const whole = mergeServe(mergeServe(a, b), c);
        expect(mergeServe(a, mergeServe(b, c))).toEqual(whole);
        expect(mergeServe(c, mergeServe(b, a))).toEqual(whole);
        expect(whole.accepted).toBe(parts.reduce((sum, { counted }) => sum + counted, 0));
        expect(whole.script!.errors?.count ?? 0).toBe(whole.failures.reduce((sum, { count }) => sum + count, 0));
        expect(whole.startedAt).toBe([a, b, c].map(({ startedAt }) => startedAt).sort()[0]);
        expect(whole.elapsedMs).toBe(
          Math.max(...parts.map(({ atMs, elapsedMs }) => atMs + elapsedMs)) -
            Math.min(...parts.map(({ atMs }) => atMs)),
        );
      }),
    );
  });
});

function sampleAttempt(): Attempt {
  return {
    to: 0,
    failure: undefined,
    isLost: false,
    atMs: 100,
    handshakeUs: 70,
    answersUs: [100],
    unanswered: 0,
    delayMs: 1,
  };
}
