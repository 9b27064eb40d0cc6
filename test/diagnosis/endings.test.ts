// Tests that connections closed by FIN and others closed by RST are one failure, and that the evidence has both.
import { expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import { connectResult } from "../support/results.js";

const LOSSES = [
  { phase: "hold", errno: "FIN", count: 600 },
  { phase: "hold", errno: "ECONNRESET", count: 400 },
] as const;
const LISTENER = { ip: "10.0.0.1", port: 7777, uid: 0, drops: 0, acceptQueue: { used: 0, limit: 128 } };

it.each([
  ["a server that closed all connections", 1000, [LISTENER], "peer-ended"],
  ["a server that exited", 1000, [], "peer-ended"],
  ["a server that closed some connections", 2000, [LISTENER], undefined],
  ["a server that closed its listening socket", 2000, [], "listener"],
])("%s", (_, established, listeners, limit) => {
  const { finding, suspects } = explainRun(
    connectResult({
      ...{ established, lost: 1000, losses: [...LOSSES] },
      kernel: { source: "sock_diag", outgoing: established - 1000, incoming: established - 1000 },
      evidence: { peer: { listeners, process: undefined } },
    }),
  );
  expect(finding?.limit).toBe(limit);
  const { evidence } = finding ?? suspects[0]!;
  expect(evidence.slice(0, 2)).toEqual(["600 × FIN (hold)", "400 × ECONNRESET (hold)"]);
});
