// Tests the diagnosis of handshakes that time out because the server's process leaves the connections in its accept
// queue.
import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult } from "../../src/index.js";
import { connectResult } from "../support/results.js";

const explain = (phase: "tls" | "upgrade" | "connack", process: object) =>
  explainRun(
    connectResult({
      protocol: "ws",
      established: 500,
      ready: 190,
      failed: 310,
      failures: [{ phase, errno: "ETIMEDOUT", count: 310 }],
      evidence: {
        peer: {
          listeners: [{ ip: "127.0.0.1", port: 7777, uid: 0, drops: 0, acceptQueue: { used: 310, limit: 4096 } }],
          process: { pid: 7, name: "gateway", args: [], isStopped: false, ...process },
        },
      },
    } as unknown as Partial<ConnectResult>),
  ).finding;

describe.each(["tls", "upgrade", "connack"] as const)("unanswered in %s", (phase) => {
  it("because the server's process has no descriptors left", () => {
    expect(explain(phase, { nofileLimit: 200, openDescriptors: 200 })).toMatchObject({
      limit: "nofile",
      whose: "peer",
      meaning: expect.stringMatching(/gateway \(process 7\) has no descriptors left, and 310 connections wait/),
      fix: expect.stringContaining("ulimit -n"),
      evidence: expect.arrayContaining([`310 × ETIMEDOUT (${phase})`, "200 of 200 descriptors open"]),
    });
  });

  it("because the server's process is stopped", () => {
    expect(explain(phase, { isStopped: true })).toMatchObject({
      limit: "accept-queue",
      fix: expect.stringContaining("kill -CONT 7"),
    });
  });

  it("although the server's process is running and has descriptors left", () => {
    expect(explain(phase, { nofileLimit: 20_000, openDescriptors: 200 })).toMatchObject({
      limit: "accept-queue",
      meaning: expect.stringContaining("does not accept them"),
    });
  });
});
