// Tests `demo --fleet` with few connections: agents and server in network namespaces, over a nats-server of its own.
import { expect, it } from "vitest";
import { canMakeNamespaces } from "../../support/namespace.js";
import { HAS_NATS } from "../../support/nats.js";
import { runCli } from "../../support/process.js";

it.skipIf(!HAS_NATS || !canMakeNamespaces())("the demo's agents open their shares, counted by the kernel", async () => {
  const { code, stdout, stderr } = await runCli(["demo", "--fleet", "-c", "300"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/300 ESTABLISHED sockets\s+with the same local port: 7777/);
  expect(stdout).toMatch(/^run \w+ on 3 agents, which started (within 1 ms of each other|\d+ ms apart) /m);
  for (const agent of ["agent-1", "agent-2", "agent-3"]) {
    expect(stdout).toMatch(new RegExp(`^ +${agent} +ended +100 +64,512 +100 +0 +0 `, "m"));
  }
  expect(stdout).toMatch(/ 10\.78\.[123]\.2:\d+ +→ +10\.78\.0\.1:7777$/mu);
  expect(stdout).toMatch(/needed\n3 source addresses/);
});
