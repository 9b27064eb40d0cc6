// Tests that a result has its destinations as objects, in addition to the printed form.
import { expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import { endpoint } from "../support/address.js";
import { connect } from "../support/library.js";
import { startServer } from "../support/peers.js";
import { connectResult } from "../support/results.js";

it("a run's endpoints are its destinations, in order", async () => {
  const server = await startServer();
  const { ip, port } = server.address;
  const { destinations, endpoints } = await (await connect({ to: endpoint(server.address), durationMs: 0 })).done;
  expect([destinations, endpoints]).toEqual([[endpoint(server.address)], [{ ip, port }]]);
});

it("a destination without a listener is named", () => {
  const listener = { ip: "10.0.0.1", port: 7777, acceptQueue: { used: 0, limit: 128 }, drops: 0, uid: 0, inode: 1 };
  const destinations = ["10.0.0.1:7777", "[::1]:7778"];
  const endpoints = [
    { ip: "10.0.0.1", port: 7777 },
    { ip: "::1", port: 7778 },
  ];
  const evidence = { peer: { listeners: [listener], elsewhere: [], process: undefined } };
  const failures = [{ phase: "connect", errno: "ECONNREFUSED", count: 400 }] as const;
  const { finding } = explainRun(connectResult({ destinations, endpoints, failures, evidence }));
  expect(finding?.meaning).toBe("nothing listens on [::1]:7778: 1 of the 2 destinations");
});
