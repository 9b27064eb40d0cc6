// Destinations are objects in a result; in results of older versions they are what was printed.
import { expect, it } from "vitest";
import { endpointsOf } from "../../src/diagnosis/endpoints.js";
import { explainRun } from "../../src/diagnosis/explain.js";
import { endpoint } from "../support/address.js";
import { connect } from "../support/library.js";
import { startServer } from "../support/peers.js";
import { connectResult } from "../support/results.js";

it("a run's endpoints are its destinations, in their order", async () => {
  const server = await startServer();
  const { ip, port } = server.address;
  const { destinations, endpoints } = await (await connect({ to: endpoint(server.address), durationMs: 0 })).done;
  expect([destinations, endpoints]).toEqual([[endpoint(server.address)], [{ ip, port }]]);
});

it("results of older versions have them as text, IPv6 and zones included", () => {
  const destinations = ["10.0.0.1:7777", "[::1]:80", "[fe80::1%eth0]:1"];
  expect(endpointsOf(connectResult({ destinations }))).toEqual([
    { ip: "10.0.0.1", port: 7777 },
    { ip: "::1", port: 80 },
    { ip: "fe80::1%eth0", port: 1 },
  ]);
  expect(endpointsOf(connectResult({ destinations: ["\x1b[31m:7"] }))).toEqual([{ ip: "\x1b[31m:7", port: 0 }]);
});

it("a destination without a listener is named alike, from an object and from a text", () => {
  const listener = { ip: "10.0.0.1", port: 7777, acceptQueue: { used: 0, limit: 128 }, drops: 0, uid: 0, inode: 1 };
  const destinations = ["10.0.0.1:7777", "[::1]:7778"];
  const endpoints = [
    { ip: "10.0.0.1", port: 7777 },
    { ip: "::1", port: 7778 },
  ];
  const evidence = { peer: { listeners: [listener], elsewhere: [], process: undefined } };
  const failures = [{ phase: "connect", errno: "ECONNREFUSED", count: 400 }] as const;
  for (const given of [{ destinations }, { destinations, endpoints }]) {
    const { finding } = explainRun(connectResult({ ...given, failures, evidence }));
    expect(finding?.meaning).toBe("nobody listens on [::1]:7778: 1 of the 2 destinations");
  }
});
