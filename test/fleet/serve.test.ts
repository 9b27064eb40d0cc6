// Tests runs that agents serve, with a real nats-server and real sockets: where they listen, exact sums, refusals in
// words, and the ways in which such a run ends.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { askFleet, resultOf, stopRun } from "../../dist/fleet/runs.js";
import { SUBJECTS } from "../../src/fleet/bus.js";
import type { FleetAgent, FleetServeOptions } from "../../src/index.js";
import { endpoint, ownAddress } from "../support/address.js";
import { connect, renderReport, serve, startAgent } from "../support/library.js";
import { HAS_NATS, NatsServer, startAgentProcess } from "../support/nats.js";
import { runCli, startCli } from "../support/process.js";
import { until } from "../support/until.js";

const LEASE_MS = 2500;

describe.runIf(HAS_NATS)("a fleet that serves", () => {
  let nats: NatsServer;
  const agents: FleetAgent[] = [];
  const ip = ownAddress();

  beforeAll(async () => {
    nats = await NatsServer.start(["-js"]);
    for (const name of ["a", "b", "c", "d"]) agents.push(await startAgent({ servers: nats.url, name }));
  });

  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    await nats?.stop();
  });

  const fleetServe = async (options: Partial<FleetServeOptions> = {}, fleet = {}) => {
    const run = await serve({ at: `${ip}:0`, ...options, fleet: { servers: nats.url, agents: 2, ...fleet } });
    onTestFinished(async () => void (await run.stop()));
    return run;
  };
  const addressesOf = ({ members }: Awaited<ReturnType<typeof fleetServe>>) =>
    members.map(({ address }) => endpoint(address!));

  it("accepts what the other agents connect, and merges the counts of its servers", async () => {
    const servers = await fleetServe({ greeting: "welcome", maxConnections: 1000 });
    const to = addressesOf(servers);
    expect(new Set(to).size).toBe(2);
    const fleet = { servers: nats.url, agents: 2 };
    const clients = await connect({ to, connections: 60, durationMs: Number.POSITIVE_INFINITY, fleet });
    await clients.ready;
    await until(
      "connections in the servers' heartbeats",
      () => servers.snapshot().open,
      (open) => open === 60,
    );
    const ofClients = await clients.stop();
    expect(ofClients).toMatchObject({ outcome: "met", established: 60 });
    await askFleet({ servers: nats.url }, (link) => stopRun(link, servers.id));
    const result = await servers.done;
    expect(result).toMatchObject({
      kind: "serve",
      accepted: 60,
      peakOpen: 60,
      sentBytes: 60 * "welcome".length,
      failures: [],
      fleet: { run: servers.id, isPartial: false },
    });
    const { agents: parts } = result.fleet!;
    expect(parts.map(({ state }) => state)).toEqual(["ended", "ended"]);
    expect(parts.map(({ address }) => endpoint(address!))).toEqual(to);
    expect(parts.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(60);
    expect(await renderReport(result)).toContain("on 2 agents");
    expect(await askFleet({ servers: nats.url }, (link) => resultOf(link, servers.id))).toMatchObject({ accepted: 60 });
  });

  it("ends when its time is over", async () => {
    const servers = await fleetServe({ durationMs: 100 });
    expect(await servers.done).toMatchObject({ accepted: 0, fleet: { isPartial: false } });
    await until("idle agents", () => agents.every(({ run }) => run === undefined));
  });

  it("refuses addresses that its agents may not use, and options that they cannot", async () => {
    await expect(fleetServe({ at: "8.8.8.8:7777" })).rejects.toMatchObject({
      code: "E_NOT_AUTHORIZED",
      message: expect.stringMatching(
        /^agents [a-d] and [a-d]: 8\.8\.8\.8:7777 is not among the addresses that this agent may use/,
      ),
    });
    await expect(fleetServe({}, { onLost: "redeal" })).rejects.toThrow("a server has none");
    await expect(fleetServe({ log: "all" })).rejects.toThrow("does not report the addresses of its clients");
    await expect(fleetServe({ at: "10.255.255.1:7777" })).rejects.toThrow(/^agents [a-d] and [a-d]: .*10\.255\.255\.1/);
    await until("idle agents", () => agents.every(({ run }) => run === undefined));
  });

  it("runs no code of the agent's host, and changes nothing there, whatever a coordinator sends", async () => {
    const { id, version } = agents[0]!.identity;
    const timing = { heartbeatMs: 500, leaseMs: LEASE_MS };
    const forged = [{ protocol: "x.mjs" }, { data: "/etc/passwd" }, { apply: true }, { journal: "x" }];
    for (const options of forged) {
      const spec = { at: `${ip}:0`, base64: {}, ...options };
      const request = { ask: "prepare", run: "forged", version, spec, total: 0, timing };
      const answer = await askFleet({ servers: nats.url }, ({ bus }) =>
        bus.request(SUBJECTS.agent(id), request, 10_000),
      );
      const message = expect.stringMatching(/cannot be served by a fleet$/);
      expect(answer).toMatchObject({ failure: { code: "E_OPTION", message } });
    }
  });

  it("says where its agents listen, and prints the result of all of them", async () => {
    const args = ["serve", `${ip}:0`, "--fleet", nats.url, "--agents", "2"];
    const server = startCli(args);
    const [, to] = await server.prints(/clients connect to: (.*)\n/);
    expect(to!.split(" ")).toHaveLength(2);
    const clients = await connect({ to: to!.split(" "), connections: 10, durationMs: 0 });
    await clients.done;
    server.child.kill("SIGINT");
    const { code, stdout, stderr } = await server.exited();
    expect(`${stdout}${stderr}`).toMatch(/accepted +10\n/);
    expect(stdout).toMatch(/^ +agent +state +address +ceiling +accepted/m);
    expect(code).toBe(0);
    const { stdout: listed } = await runCli(["fleet", "runs", "--nats", nats.url]);
    expect(listed).toMatch(/ - +ended$/m);
  });

  it("goes on without a lost agent with --on-lost continue, and names it", async () => {
    const killed = await startAgentProcess(nats.url, "0-lost");
    const servers = await fleetServe({}, { agents: 5, onLost: "continue", leaseMs: LEASE_MS });
    const lost = new Promise((resolve) => servers.on("agentLost", (...said) => resolve(said)));
    await killed.kill();
    expect(await lost).toEqual(["0-lost", "silent for 3 heartbeats"]);
    const result = await servers.stop();
    expect(result.fleet!.isPartial).toBe(true);
    const states = result.fleet!.agents.map(({ name, state }) => `${name} ${state}`);
    expect(states).toEqual(["0-lost lost", "a ended", "b ended", "c ended", "d ended"]);
    expect(result.diagnosis!.notes[0]).toMatch(
      /^agent 0-lost was lost at .*its connections are not part of this result/,
    );
  });
});
