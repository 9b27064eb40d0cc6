// Tests the diagnosis of a server that makes some connections ready and closes others first: it has reached a limit.
// That the address or the scheme is wrong is no longer possible.
import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult } from "../../src/index.js";
import { connectResult } from "../support/results.js";

type Failures = ConnectResult["failures"];
const LISTENER = { ip: "10.0.0.1", port: 7777, uid: 0, drops: 0, acceptQueue: { used: 0, limit: 128 } };
const explain = (failures: Failures, ready: number, settings = {}, listeners = [LISTENER]) =>
  explainRun(
    connectResult({
      protocol: failures[0]!.phase === "request" ? "http" : "ws",
      established: 60,
      ready,
      failed: 60 - ready,
      failures,
      kernel: { source: "sock_diag", outgoing: ready, incoming: ready },
      evidence: { settings, peer: { listeners, process: { pid: 7, name: "gateway", args: [], isStopped: false } } },
    }),
  ).finding;

describe.each(["tls", "upgrade", "request", "connack", "first-message"] as const)(
  "closed before it is ready: %s",
  (phase) => {
    it("names the server's limit if others became ready, and counts each kind of close", () => {
      const failures = [
        { phase, errno: "ECONNRESET", count: 19 },
        { phase, errno: "FIN", count: 11 },
      ];
      expect(explain(failures, 30)).toMatchObject({
        limit: "peer-maximum",
        whose: "peer",
        meaning: expect.stringMatching(/^gateway \(process 7\) closed 30 connections/),
        evidence: [`19 × ECONNRESET (${phase})`, `11 × FIN (${phase})`, "30 became ready"],
      });
    });

    it("suspects the port and the scheme if no connection became ready", () => {
      const finding = explain([{ phase, errno: "FIN", count: 60 }], 0);
      expect(finding).toMatchObject({ limit: "refused", fix: expect.stringContaining("check the port") });
    });
  },
);

it("counts a close by FIN and one by RST as the same failure", () => {
  const failures = [
    { phase: "upgrade", errno: "HTTP 401", count: 12 },
    { phase: "upgrade", errno: "FIN", count: 9 },
    { phase: "upgrade", errno: "ECONNRESET", count: 9 },
  ] satisfies Failures;
  expect(explain(failures, 30)).toMatchObject({ limit: "peer-maximum" });
});

it("says that the server is gone if nothing listens any more", () => {
  const failures = [
    { phase: "upgrade", errno: "ECONNRESET", count: 20 },
    { phase: "upgrade", errno: "FIN", count: 10 },
  ] satisfies Failures;
  expect(explain(failures, 30, {}, [])).toMatchObject({
    meaning: expect.stringMatching(/^nothing listens on that port any more/),
    evidence: expect.arrayContaining(["20 × ECONNRESET (upgrade)", "10 × FIN (upgrade)"]),
  });
});

it("speaks of a single connection in the singular", () => {
  const failures = [{ phase: "upgrade", errno: "FIN", count: 1 }] satisfies Failures;
  expect(explain(failures, 59)?.meaning).toContain("closed 1 connection before it was ready");
});

it("takes a proxy's 500 for a limit only if the proxy accepted other upgrades", () => {
  const failures = [{ phase: "upgrade", errno: "HTTP 500", count: 30 }] satisfies Failures;
  expect(explain(failures, 30)).toMatchObject({
    limit: "peer-maximum",
    fix: expect.stringContaining("worker_connections"),
  });
  expect(explain(failures, 0)).toMatchObject({ limit: "refused" });
});

it("leaves resets to the accept queue if it resets what it cannot take", () => {
  const failures = [{ phase: "upgrade", errno: "ECONNRESET", count: 30 }] satisfies Failures;
  expect(explain(failures, 30, { "net.ipv4.tcp_abort_on_overflow": 1 })?.limit).not.toBe("peer-maximum");
});

it("counts each kind of close of a server without descriptors", () => {
  const failures = [
    { phase: "connack", errno: "ECONNRESET", count: 19 },
    { phase: "connack", errno: "FIN", count: 11 },
  ] satisfies Failures;
  const process = { pid: 7, name: "broker", args: [], isStopped: false, nofileLimit: 100, openDescriptors: 100 };
  const { finding } = explainRun(
    connectResult({
      protocol: "mqtt",
      established: 60,
      ready: 30,
      failed: 30,
      failures,
      evidence: { peer: { listeners: [], process } },
    }),
  );
  expect(finding).toMatchObject({ limit: "nofile", whose: "peer" });
  expect(finding!.evidence.slice(0, 2)).toEqual(["19 × ECONNRESET (connack)", "11 × FIN (connack)"]);
});
