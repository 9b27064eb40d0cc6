// Tests runs that are divided among agents, with a real nats-server and real sockets: exact sums, refusals in words,
// and the loss of an agent, of the coordinator and of NATS.
import { randomBytes } from "node:crypto";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { askFleet, resultOf, stopRun } from "../../dist/fleet/runs.js";
import { SUBJECTS } from "../../src/fleet/bus.js";
import { histogramOf } from "../../src/fleet/sums/latencies.js";
import type { ConnectResult, FleetAgent, FleetConnectOptions } from "../../src/index.js";
import { endpoint } from "../support/address.js";
import { connect, startAgent } from "../support/library.js";
import { HAS_NATS, NatsServer, startAgentProcess } from "../support/nats.js";
import { startServer } from "../support/peers.js";
import { runCli, startCli, type TestProcess } from "../support/process.js";
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

  const fleetRun = (at: string, options: Partial<FleetConnectOptions>, fleet = {}) =>
    connect({ to: at, durationMs: 0, ...options, fleet: { servers: nats.url, agents: 2, ...fleet } });
  const served = async () => {
    const server = await startServer();
    const areOpen = (count: number) =>
      until(
        "connections at the server",
        () => server.snapshot().open,
        (open) => open === count,
      );
    return { areOpen, at: endpoint(server.address) };
  };

  it.each([1, 3, 7])("of %i agents opens exactly the requested connections, all at once", async (count) => {
    const { areOpen, at } = await served();
    const run = await fleetRun(at, { connections: 200, durationMs: 60_000 }, { agents: count });
    await run.ready;
    await areOpen(200);
    expect(run.snapshot()).toMatchObject({ stage: "hold", open: 200, established: 200, requested: 200 });
    await until(
      "latencies in the heartbeats",
      () => histogramOf(run.members, "connectUs").count,
      (measured) => measured === 200,
    );
    for (const { allows, pool } of run.members.flatMap(({ dealt }) => dealt.ceiling.shared ?? [])) {
      const sharers = run.members.filter(({ dealt }) => dealt.ceiling.shared?.some((limit) => limit.pool === pool));
      expect(sharers).toHaveLength(count);
      expect(sharers.reduce((sum, { dealt }) => sum + dealt.ceiling.connections, 0)).toBeLessThanOrEqual(allows);
    }
    expect(run.members[0]!.dealt.ceiling.shared).toContainEqual(expect.objectContaining({ name: "MemAvailable" }));
    const result = await run.stop();
    expect(result).toMatchObject({
      outcome: "interrupted",
      requested: 200,
      established: 200,
      openAtStop: 200,
      failed: 0,
    });
    expect(result.latency.connect.count).toBe(200);
    expect(result.kernel).toMatchObject({ outgoing: 200 });
    expect(result.fleet).toMatchObject({ run: run.id, isPartial: false, missing: 0 });
    // 50 ms on a machine that is not busy; a wrong clock would be further off.
    expect(result.fleet!.startSkewMs).toBeLessThan(5000);
    const shares = result.fleet!.agents.map(({ requested }) => requested);
    expect(shares).toHaveLength(count);
    expect(shares.reduce((sum, share) => sum + share)).toBe(200);
    // The ceilings are equal, unless memory is short.
    const ceilings = run.members.map(({ dealt }) => dealt.ceiling.connections);
    const room = ceilings.reduce((sum, ceiling) => sum + ceiling);
    for (const [n, share] of shares.entries()) {
      expect(Math.abs(share - (200 * ceilings[n]!) / room)).toBeLessThan(1);
    }
    await areOpen(0);
  });

  it("says while it lasts why connections fail, on all agents", async () => {
    const closed = await startServer();
    const at = endpoint(closed.address);
    await closed.stop();
    const args = ["connect", at, "-c", "40", "--connect-rate", "20", "--fleet", nats.url, "--agents", "3", "--json"];
    const coordinator = startCli(args);
    const [line] = await coordinator.prints(/\{"event":"snapshot".*"failures":\[\{.*\n/);
    const { failures, failed } = JSON.parse(line);
    expect(failures).toEqual([{ phase: "connect", cause: "ECONNREFUSED", count: failed }]);
    coordinator.child.kill("SIGINT");
    await coordinator.exited();
  });

  it("sends one message at a time, at equal distances over all agents", async () => {
    const arrivals = new Map<Socket, number[]>();
    const server = createServer((socket) => {
      const own: number[] = [];
      arrivals.set(socket, own);
      socket.on("data", () => own.push(performance.now()));
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const options = { connections: 5, message: "x", messageRatePerSec: 1, expect: "none" as const, durationMs: 60_000 };
    const run = await fleetRun(`127.0.0.1:${port}`, options, { agents: 3 });
    const heard = () => [...arrivals.values()];
    await until("messages of all connections", heard, (all) => all.length === 5 && all.every((own) => own.length >= 5));
    await run.stop();
    const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
    // A message that arrives late is among the few, so the middle of each connection's times tells its turn.
    const turns = heard().map((own) => (own[0]! + middle(own.map((ms) => ((ms - own[0]! + 500) % 1000) - 500))) % 1000);
    turns.sort((a, b) => a - b);
    const gaps = turns.map((ms, n) => (n === 0 ? ms + 1000 - turns.at(-1)! : ms - turns[n - 1]!));
    // Agents that each spread only their own messages would send several at the same time: gaps of 0. On a busy host,
    // their clocks differ by 100 ms and more.
    for (const gap of gaps) expect(Math.abs(gap - 200), gaps.join(" ")).toBeLessThan(160);
  });

  it("divides stages", async () => {
    const { areOpen, at } = await served();
    const stages = [
      { durationMs: 100, target: 50 },
      { durationMs: 100, target: 10 },
    ];
    const run = await fleetRun(at, { stages, durationMs: 60_000 }, { agents: 3 });
    await run.ready;
    await areOpen(10);
    const { fleet, established } = await run.stop();
    expect(fleet!.agents).toHaveLength(3);
    expect(fleet!.agents.reduce((sum, agent) => sum + agent.established, 0)).toBe(established);
  });

  it("keeps the result, and lists agents and runs", async () => {
    const { at } = await served();
    const run = await fleetRun(at, { connections: 7 });
    const { outcome, established, fleet } = await run.done;
    expect(outcome).toBe("met");
    const listed = await runCli(["fleet", "agents", "--nats", nats.url]);
    for (const { identity } of agents) expect(listed.stdout).toMatch(new RegExp(`^${identity.name} .* idle `, "m"));
    const kept = await runCli(["fleet", "result", run.id, "--nats", nats.url, "--json"]);
    expect(kept.code).toBe(0);
    expect(JSON.parse(kept.stdout)).toMatchObject({ kind: "connect", established, fleet: { run: fleet!.run } });
  });

  it("ends at once on a signal before it starts", async () => {
    const { at } = await served();
    const args = [at, "-c", "7", "--fleet", nats.url, "--agents", "99"];
    await askFleet({ servers: nats.url }, async ({ bus }) => {
      const asked = new Promise((resolve) => bus.subscribe(SUBJECTS.agents, resolve));
      const coordinator = startCli(["connect", ...args]);
      await asked;
      coordinator.child.kill("SIGINT");
      expect(await coordinator.exited()).toMatchObject({ code: 130, stdout: "" });
    });
  });

  it("says before the start if the others could not take over the connections of one of them", async () => {
    const { at } = await served();
    const load = [at, "-c", "10", "-T", "0s", "--source-ip", "127.0.0.1", "--source-port", "20000-20009"];
    const fleet = ["--fleet", nats.url, "--agents", "2", "--on-lost", "redeal"];
    const { stderr, stdout } = await runCli(["connect", ...load, ...fleet]);
    expect(stdout).toContain("target met: 10 connections");
    expect(stderr.match(/^note: .*/gm)).toEqual([
      expect.stringMatching(
        /^note: if agent \S+ is lost, the others can take over none of its 5 connections \(agent \S+: it holds as many as it can \(/,
      ),
    ]);
  });

  it("refuses destinations that its agents do not permit", async () => {
    await expect(fleetRun("8.8.8.8:53", { connections: 14 })).rejects.toMatchObject({
      code: "E_NOT_AUTHORIZED",
      message: expect.stringMatching(/^agents agent-\d and agent-\d: 8\.8\.8\.8:53 is not among the destinations/),
    });
    await expect(fleetRun("127.0.0.1:1", {})).rejects.toThrow("a single connection cannot be divided");
  });

  it("names what is longer than NATS accepts", async () => {
    const { at } = await served();
    const message = randomBytes(2 ** 20).toString("base64");
    await expect(fleetRun(at, { connections: 2, message })).rejects.toMatchObject({
      code: "E_FLEET",
      message: expect.stringMatching(/^a message of 1\.\d+ MiB is longer than the NATS server accepts \(1\.0* ?MiB\)$/),
      fix: expect.stringContaining("max_payload"),
    });
  });

  it("goes on while NATS restarts", async () => {
    const { areOpen, at } = await served();
    const run = await fleetRun(at, { connections: 20, durationMs: Number.POSITIVE_INFINITY }, { leaseMs: 60_000 });
    await run.ready;
    await nats.restart();
    await areOpen(20);
    const isStopped = () =>
      askFleet({ servers: nats.url }, (link) => stopRun(link, run.id)).then(
        () => true,
        () => false,
      );
    await until("a stop that arrives", isStopped);
    expect(await run.done).toMatchObject({ outcome: "met", established: 20, fleet: { isPartial: false } });
  });
});

describe.runIf(HAS_NATS)("a fleet that loses", () => {
  let nats: NatsServer;
  let survivor: FleetAgent;

  beforeAll(async () => {
    nats = await NatsServer.start(["-js"]);
    survivor = await startAgent({ servers: nats.url, name: "one" });
  });

  afterAll(async () => {
    await survivor?.stop();
    await nats?.stop();
  });

  it("an agent, whose connections the others open with --on-lost redeal", async () => {
    const server = await startServer();
    const open = () => server.snapshot().open;
    const killed: TestProcess = await startAgentProcess(nats.url, "two");
    const fleet = { servers: nats.url, agents: 2, onLost: "redeal" as const, leaseMs: LEASE_MS };
    const to = endpoint(server.address);
    const run = await connect({ to, connections: 20, durationMs: Number.POSITIVE_INFINITY, fleet });
    await run.ready;
    const lost = new Promise((resolve) => run.on("agentLost", (...said) => resolve(said)));
    await killed.kill();
    expect(await lost).toEqual(["two", "silent for 3 heartbeats"]);
    await until("connections of the other agent in their place", open, (count) => count === 20);
    // The server knows of them before the coordinator does.
    await until(
      "the hold of all of them",
      () => run.snapshot(),
      ({ stage, open: held }) => stage === "hold" && held === 20,
    );
    const result: ConnectResult = await run.stop();
    expect(result).toMatchObject({
      outcome: "met",
      requested: 20,
      established: 20,
      fleet: { isPartial: true, missing: 0 },
    });
    const [one, two] = result.fleet!.agents;
    expect(one).toMatchObject({ name: "one", state: "ended", requested: 20 });
    expect(two).toMatchObject({ name: "two", state: "lost", openAtStop: 10, lostAt: expect.any(String) });
    expect(result.diagnosis!.notes[0]).toContain("agent two was lost");
    await until("closed connections", open, (count) => count === 0);
    expect(survivor.run).toBeUndefined();
  });

  it("nothing: a run can be stopped by its id, and a second one is refused meanwhile", async () => {
    const server = await startServer();
    const to = endpoint(server.address);
    const fleet = { servers: nats.url };
    const run = await connect({
      ...{ to, connections: 20, durationMs: Number.POSITIVE_INFINITY },
      fleet: { ...fleet, agents: 1 },
    });
    await run.ready;
    await expect(connect({ to, connections: 2, fleet })).rejects.toMatchObject({
      code: "E_FLEET",
      message: `all agents are busy: one with run ${run.id}`,
    });
    await askFleet(fleet, (link) => stopRun(link, run.id));
    expect(await run.done).toMatchObject({ outcome: "met", established: 20 });
  });

  it("the coordinator: agents close their connections, and its result is put together from their parts", async () => {
    const server = await startServer();
    const args = [
      endpoint(server.address),
      "-c",
      "10",
      "-T",
      "forever",
      "--fleet",
      nats.url,
      "--agents",
      "1",
      "--lease",
      `${LEASE_MS}ms`,
      "--json",
    ];
    const coordinator = startCli(["connect", ...args]);
    await until(
      "connections",
      () => server.snapshot().open,
      (open) => open === 10,
    );
    const { run } = JSON.parse((await coordinator.prints(/\{"event":"started".*\n/))[0]);
    const ended = new Promise((resolve) => survivor.on("ended", (...said) => resolve(said[2])));
    await coordinator.kill();
    expect(await ended).toMatch(/^the coordinator was silent for/);
    await until(
      "closed connections",
      () => server.snapshot().open,
      (open) => open === 0,
    );
    const recovered = await until("its part", () =>
      askFleet({ servers: nats.url }, (link) => resultOf(link, run)).catch(() => undefined),
    );
    expect(recovered).toMatchObject({ outcome: "interrupted", requested: 10, established: 10, openAtStop: 10 });
  });
});
