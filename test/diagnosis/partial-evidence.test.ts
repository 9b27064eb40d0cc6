// Tests that evidence claims no more than was counted: some connections to a destination, some ICMP messages, sockets of
// other programs, processes with odd names.
import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import { maximaOf } from "../../src/diagnosis/rules/accept-queue.js";
import { splitDestinations } from "../../src/diagnosis/rules/path/destinations.js";
import { countOncePerPlace } from "../../src/fleet/sums/kernel-counts.js";
import { connectResult } from "../support/results.js";

describe("of several destinations, one", () => {
  const failure = { phase: "connect" as const, errno: "ETIMEDOUT", count: 500 };
  const split = (established: number, phase: "connect" | "upgrade") => {
    const lastFailure = { ...failure, phase };
    const a = { to: "10.0.0.1:80", established, failed: 500, lastFailure };
    const b = { to: "10.0.0.2:80", established: 1000, failed: 0 };
    return splitDestinations(connectResult({ byDestination: [a, b] as never }), lastFailure);
  };

  it("fails entirely only if it has no connection", () => {
    expect(split(0, "connect")?.failing).toHaveLength(1);
    expect(split(500, "connect")).toBeUndefined();
  });

  it("also fails entirely if handshakes fail on what was established", () => {
    expect(split(500, "upgrade")?.failing).toHaveLength(1);
    expect(split(501, "upgrade")).toBeUndefined();
  });
});

it("an address without an answer is not said to have no ICMP message if there were some", () => {
  const failures = [{ phase: "connect" as const, errno: "EHOSTUNREACH", count: 200 }];
  const evidenceWith = (messages: number) =>
    explainRun(connectResult({ established: 0, failures, evidence: { deltas: { "Icmp.InDestUnreachs": messages } } }))
      .finding!.evidence;
  expect(evidenceWith(0)).toContain("no ICMP message from another host said so");
  expect(evidenceWith(100)).toEqual(["200 × EHOSTUNREACH (connect)"]);
});

it("messages of routers without a route explain the attempts that time out", () => {
  const failures = [
    { phase: "connect" as const, errno: "ETIMEDOUT", count: 390 },
    { phase: "connect" as const, errno: "ENETUNREACH", count: 10 },
  ];
  const localPath = { failedAtOnce: {}, routes: [], rules: [] };
  const evidence = { deltas: { "Icmp.InDestUnreachs": 10 }, localPath };
  expect(explainRun(connectResult({ established: 0, failures, evidence })).finding).toMatchObject({
    limit: "path",
    whose: "network",
    meaning: expect.stringContaining('"network unreachable"'),
  });
});

it("the sockets that the kernel counts in a network namespace are counted once for all agents in it", () => {
  const part = connectResult({
    evidence: { unacknowledged: { connections: 100, unsent: 0, source: "sock_diag" } } as never,
  });
  const counted = countOncePerPlace([part, part, part], ["a", "a", "b"]);
  expect(counted.map(({ evidence }) => evidence.unacknowledged?.connections)).toEqual([100, undefined, 100]);
});

it.each(["constructor", "toString", "__proto__"])("a server whose process is named %s has no known option", (name) => {
  const text = maximaOf({ name, pid: 1, args: [name] } as never);
  expect(text).toMatch(/^nginx: worker_connections; /);
});
