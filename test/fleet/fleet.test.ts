// Tests runs that are divided among agents, with a real nats-server and real sockets: exact sums, refusals in words,
// and the loss of an agent, of the coordinator and of NATS.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { ConnectResult, FleetAgent, FleetConnectOptions } from "../../src/index.js";
import { ownAddress } from "../support/address.js";
import { connect, startAgent } from "../support/library.js";
import { HAS_NATS, NatsServer, startAgentProcess } from "../support/nats.js";
import { startServer } from "../support/peers.js";
import { resultOf, runCli, startCli, type TestProcess } from "../support/process.js";
import { until } from "../support/until.js";

/** Long enough for a busy machine, short enough to wait for. */
const LEASE_MS = 2500;

describe.runIf(HAS_NATS)("a fleet", () => {
  let nats: NatsServer;
  const agents: FleetAgent[] = [];

  beforeAll(async () => {
    nats = await NatsServer.start(["-js"]);
    for (let n = 1; n <= 7; n++) agents.push(await startAgent({ servers: nats.url, name: `agent-${n}` }));
  });

  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    await nats?.stop();
  });

  const areIdle = () => until("idle agents", () => agents.every(({ run }) => run === undefined));
  const fleetRun = async (at: string, options: Partial<FleetConnectOptions>, fleet = {}) => {
    await areIdle();
    return connect({ to: at, durationMs: 100, ...options, fleet: { servers: nats.url, agents: 7, ...fleet } });
  };
  const addressOf = async () => {
    const server = await startServer();
    return { server, at: `${server.address.ip}:${server.address.port}` };
  };

  it.each([1, 3, 7])("of %i agents opens exactly the requested connections, all at once", async (count) => {
    const { server, at } = await addressOf();
    const run = await fleetRun(at, { connections: 200 }, { agents: count });
    await run.ready;
    await until(
      "all connections at the server",
      () => server.snapshot().open,
      (open) => open === 200,
    );
    const result = await run.done;
    expect(result).toMatchObject({ outcome: "met", requested: 200, established: 200, openAtStop: 200, failed: 0 });
    expect(result.latency.connect.count).toBe(200);
    expect(result.kernel).toMatchObject({ outgoing: 200 });
    expect(result.fleet).toMatchObject({ run: run.id, isPartial: false, missing: 0 });
    const shares = result.fleet!.agents.map(({ requested }) => requested);
    expect(shares).toHaveLength(count);
    expect(shares.reduce((sum, share) => sum + share)).toBe(200);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    await until(
      "closed connections",
      () => server.snapshot().open,
      (open) => open === 0,
    );
  });

  it("divides stages, and shows the sum of all agents while it runs", async () => {
    const { server, at } = await addressOf();
    const stages = [
      { durationMs: 200, target: 50 },
      { durationMs: 200, target: 10 },
    ];
    const run = await fleetRun(at, { stages, durationMs: 60_000 }, { agents: 3 });
    await run.ready;
    await until(
      "what the stages end with",
      () => server.snapshot().open,
      (open) => open === 10,
    );
    await until(
      "the sum",
      () => run.snapshot(),
      ({ open }) => open === 10,
    );
    const { outcome, fleet, established } = await run.stop();
    // The hold was to last for a minute.
    expect(outcome).toBe("interrupted");
    expect(fleet!.agents).toHaveLength(3);
    expect(fleet!.agents.reduce((sum, agent) => sum + agent.established, 0)).toBe(established);
  });

  it("keeps the result, and lists agents and runs", async () => {
    const { at } = await addressOf();
    const run = await fleetRun(at, { connections: 7 });
    const { established, fleet } = await run.done;
    const listed = JSON.parse((await runCli(["fleet", "agents", "--nats", nats.url, "--json"])).stdout);
    expect(listed.agents.map(({ name }: { name: string }) => name)).toEqual(
      agents.map(({ identity }) => identity.name),
    );
    const kept = await runCli(["fleet", "result", run.id, "--nats", nats.url, "--json"]);
    expect(kept).toMatchObject({ code: 0 });
    expect(JSON.parse(kept.stdout)).toMatchObject({ kind: "connect", established, fleet: { run: fleet!.run } });
    expect((await runCli(["fleet", "runs", "--nats", nats.url])).stdout).toMatch(
      new RegExp(`${run.id} .* result kept`),
    );
  });

  it("can be stopped by its id, and refuses a second run meanwhile", async () => {
    const { at } = await addressOf();
    const run = await fleetRun(at, { connections: 20, durationMs: Number.POSITIVE_INFINITY });
    await run.ready;
    await expect(connect({ to: at, connections: 2, fleet: { servers: nats.url } })).rejects.toMatchObject({
      code: "E_FLEET",
      message: expect.stringContaining(`all agents are busy: agent-1 with run ${run.id}`),
    });
    expect(await runCli(["fleet", "stop", run.id, "--nats", nats.url])).toMatchObject({ code: 0 });
    expect(await run.done).toMatchObject({ outcome: "met", established: 20 });
  });

  it("refuses destinations that its agents do not permit", async () => {
    await expect(fleetRun("8.8.8.8:53", { connections: 14 })).rejects.toMatchObject({
      code: "E_NOT_AUTHORIZED",
      message: expect.stringMatching(/^agent agent-\d: 8\.8\.8\.8:53 is not among the destinations/),
    });
    await expect(fleetRun("127.0.0.1:1", {})).rejects.toThrow("a single connection cannot be divided");
  });

  it("goes on while NATS restarts", async () => {
    const { server, at } = await addressOf();
    const run = await fleetRun(at, { connections: 20, durationMs: Number.POSITIVE_INFINITY }, { leaseMs: 20_000 });
    await run.ready;
    await nats.restart();
    expect(server.snapshot().open).toBe(20);
    await until("a stop that arrives", async () => {
      const { code } = await runCli(["fleet", "stop", run.id, "--nats", nats.url]);
      return code === 0;
    });
    expect(await run.done).toMatchObject({ outcome: "met", established: 20, fleet: { isPartial: false } });
  });
});

describe.runIf(HAS_NATS)("a fleet in which a program is killed", () => {
  let nats: NatsServer;

  beforeAll(async () => {
    nats = await NatsServer.start(["-js"]);
  });

  afterAll(() => nats?.stop());

  const startAgents = async (...names: string[]): Promise<TestProcess[]> =>
    Promise.all(names.map((name) => startAgentProcess(nats.url, name)));

  it.each([
    ["abort", { outcome: "interrupted", missing: 10, open: 0 }],
    ["continue", { outcome: "missed", missing: 10, open: 10 }],
    ["redeal", { outcome: "met", missing: 0, open: 20 }],
  ] as const)("an agent, with --on-lost %s", async (onLost, expected) => {
    const server = await startServer();
    const at = `${server.address.ip}:${server.address.port}`;
    const [first, second] = await startAgents("one", "two");
    const fleet = { servers: nats.url, agents: 2, onLost, leaseMs: LEASE_MS };
    const run = await connect({ to: at, connections: 20, durationMs: Number.POSITIVE_INFINITY, fleet });
    await run.ready;
    const lost = new Promise((resolve) => run.on("agentLost", (...said) => resolve(said)));
    await second!.kill();
    expect(await lost).toEqual(["two", "silent for 3 heartbeats"]);
    await until(
      "connections left",
      () => server.snapshot().open,
      (open) => open === expected.open,
    );
    const result: ConnectResult = await run.stop();
    expect(result).toMatchObject({
      outcome: expected.outcome,
      requested: 20,
      fleet: { isPartial: true, missing: expected.missing },
    });
    const [one, two] = result.fleet!.agents;
    expect(one).toMatchObject({ name: "one", state: "ended", requested: onLost === "redeal" ? 20 : 10 });
    expect(two).toMatchObject({ name: "two", state: "lost", openAtStop: 10, lostAt: expect.any(String) });
    expect(result.established).toBe(onLost === "redeal" ? 20 : 10);
    expect(result.diagnosis!.notes[0]).toContain("agent two was lost");
    await until(
      "closed connections",
      () => server.snapshot().open,
      (open) => open === 0,
    );
    expect(first!.stdout).toMatch(/ended, (10|20) established\n/);
  });

  it("the coordinator: the agents close their connections, and its result is put together from their parts", async () => {
    const server = await startServer();
    const at = `${server.address.ip}:${server.address.port}`;
    const [one, two] = await startAgents("one", "two");
    const args = [at, "-c", "10", "-T", "forever", "--fleet", nats.url, "--agents", "2", "--lease", "1s", "--json"];
    const coordinator = startCli(["connect", ...args]);
    await until(
      "connections",
      () => server.snapshot().open,
      (open) => open === 10,
    );
    const { run } = JSON.parse((await coordinator.prints(/\{"event":"started".*\n/))[0]);
    await coordinator.kill();
    await Promise.all([one!, two!].map((agent) => agent.prints(/ended, 5 established: the coordinator was silent/)));
    expect(server.snapshot().open).toBe(0);
    const recovered = await until(
      "both parts",
      () => runCli(["fleet", "result", run, "--nats", nats.url, "--json"]),
      ({ stdout }) => stdout !== "" && JSON.parse(stdout).established === 10,
    );
    expect(JSON.parse(recovered.stdout)).toMatchObject({ outcome: "interrupted", requested: 10, openAtStop: 10 });
    // They are ready for the next run.
    const next = await runCli([
      "connect",
      at,
      "-c",
      "4",
      "-T",
      "100ms",
      "--fleet",
      nats.url,
      "--agents",
      "2",
      "--json",
    ]);
    expect(resultOf(next.stdout)).toMatchObject({ outcome: "met", established: 4 });
  });
});

describe.runIf(HAS_NATS)("the connection to NATS", () => {
  it("needs its credentials, which are not taken from the command line", async () => {
    const nats = await NatsServer.start(["--auth", "secret"]);
    onTestFinished(() => nats.stop());
    const ask = (url: string, env = {}) => runCli(["fleet", "agents", "--nats", url], { env });
    expect((await ask(nats.url)).stderr).toMatch(/refused the credentials[\s\S]*set FOURTUPLE_NATS_TOKEN/);
    expect((await ask(nats.url, { NATS_TOKEN: "wrong" })).stderr).toMatch(/refused the credentials/);
    expect((await ask(nats.url, { FOURTUPLE_NATS_TOKEN: "secret" })).stdout).toMatch(/^no agents answered/);
    expect((await ask(nats.url.replace("//", "//secret@"))).stderr).toMatch(/contains a secret/);
  });

  it("is refused in words where no server listens", async () => {
    const { code, stderr } = await runCli(["agent", "--nats", `nats://${ownAddress()}:1`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Fatal error: no connection to NATS at "nats:.*": connection refused\n {2}fix: /);
  });
});
