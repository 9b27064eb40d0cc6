// Tests the number of connections that only the client considers ESTABLISHED.
import { expect, it } from "vitest";
import { countHalfOpen, outgoingOf } from "../../../src/client/evidence/half-open.js";

const LISTENER = { ip: "10.99.0.1", port: 7777, acceptQueue: { used: 0 }, uid: 0, drops: 3 };

it("compares what is open with the server's sockets if this end has none, as after stages that went down", () => {
  const ends = (incoming: number) => ({
    openAtStop: 20,
    kernel: { source: "sock_diag" as const, incoming },
    evidence: { deltas: {}, peer: { listeners: [LISTENER] }, accepting: undefined },
  });
  expect([outgoingOf(ends(20)), countHalfOpen(ends(20)), countHalfOpen(ends(15))]).toEqual([20, 0, 5]);
  expect(outgoingOf({ openAtStop: 20, kernel: { source: "sock_diag", outgoing: 24, incoming: 20 } })).toBe(24);
});
