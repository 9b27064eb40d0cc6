// Tests the coordinator without NATS: agents that fall silent, are late or fail, and a coordinator that is cut off.
// Time is simulated, so every deadline can be reached at once.
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Agent } from "../../src/fleet/agent/agent.js";
import type { AgentHost } from "../../src/fleet/agent/host.js";
import type { Load } from "../../src/fleet/agent/load.js";
import { SUBJECTS } from "../../src/fleet/bus.js";
import { dealFleet, type FleetPlan, prepareFleet } from "../../src/fleet/coordinator/assemble.js";
import { EarlyStop } from "../../src/fleet/coordinator/early-stop.js";
import { FleetRun } from "../../src/fleet/coordinator/fleet-run.js";
import { Lease } from "../../src/fleet/coordinator/lease.js";
import { recoverResult } from "../../src/fleet/coordinator/result/recover.js";
import { findAgents } from "../../src/fleet/coordinator/roster.js";
import { Survey } from "../../src/fleet/coordinator/survey.js";
import { BEATS_PER_LEASE, type Ceiling, LEASES_MS } from "../../src/fleet/messages.js";
import type { OnLost } from "../../src/fleet/options.js";
import { resultOf, runsOf, stopRun } from "../../src/fleet/runs.js";
import type { ServerSpec } from "../../src/fleet/server-spec.js";
import { emptySnapshot } from "../../src/fleet/sums/snapshots.js";
import { parseRunSpec } from "../../src/planning/parse-run-spec.js";
import type { RunSpec } from "../../src/planning/run-spec.js";
import type { ConnectResult } from "../../src/results/connect.js";
import { AppError } from "../../src/util/errors.js";
import { MemoryBus, MemoryStore } from "../support/memory-bus.js";
import { connectResult } from "../support/results.js";

const VERSION = "1.2.3";
const TIMING = { heartbeatMs: 100, leaseMs: 500 };

/** A host whose connections open at once, and can be made to fail. */
class FakeHost implements AgentHost {
  open = 0;
  /** Loads that were prepared and neither started nor given up. */
  held = 0;
  readonly specs: RunSpec[] = [];
  failure: Error | undefined;
  prepares: () => Promise<void> = async () => undefined;
  /** Source addresses without kernel sockets. */
  packet: Ceiling["packet"];
  readonly place: string;
  readonly ceilingOf: number;

  constructor(place: string, ceiling = 1000) {
    this.place = place;
    this.ceilingOf = ceiling;
  }

  describe() {
    // The address of a container bridge is the same on many hosts, and no source.
    return {
      cores: 1,
      memoryBytes: 1e9,
      addresses: ["172.17.0.1"],
      host: this.place,
      place: this.place,
      allows: "127.0.0.0/8",
    };
  }

  async ceiling(): Promise<Ceiling> {
    const { ceilingOf: connections, packet } = this;
    const addresses = packet?.reduce((sum, { count }) => sum + count, 0) ?? 1;
    return { connections, limit: "MemAvailable", addresses, packet, tuplesPerAddress: packet && 1000 };
  }

  async prepare(spec: RunSpec | ServerSpec) {
    const { connections } = spec as RunSpec;
    this.specs.push(spec as RunSpec);
    await this.prepares();
    this.held++;
    const begin = () => {
      this.held--;
      return this.#begin(connections);
    };
    const discard = async () => {
      this.held--;
    };
    return { tuplesAvailable: 64_512, begin, discard };
  }

  #begin(connections: number): Load {
    this.open += connections;
    let stage: "hold" | "closed" = "hold";
    let end!: (result: ConnectResult) => void;
    let fail!: (error: Error) => void;
    const done = new Promise<ConnectResult>((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
    if (this.failure) fail(this.failure);
    const counts = { requested: connections, established: connections, ready: connections };
    const startedMs = Date.now();
    return {
      ready: Promise.resolve(),
      done,
      measure: () => ({ histograms: {}, failures: [] }),
      snapshot: () => ({ ...emptySnapshot(), ...counts, open: stage === "hold" ? connections : 0, stage }),
      stop: () => {
        if (stage === "closed") return;
        stage = "closed";
        this.open -= connections;
        const times = { startedAt: new Date(startedMs).toISOString(), holdMs: Date.now() - startedMs };
        const verdict = { outcome: "met", isTargetMet: true, misses: [] } as const;
        end(connectResult({ ...counts, ...times, ...verdict, openAtStop: connections }));
      },
    };
  }
}

describe("the coordinator", () => {
  let bus: MemoryBus;
  let store: MemoryStore;
  let hosts: FakeHost[];
  let agents: Agent[];

  beforeEach(() => {
    vi.useFakeTimers();
    bus = new MemoryBus();
    store = new MemoryStore();
  });

  afterEach(async () => {
    const closing = Promise.all(agents.map((agent) => agent.close()));
    await vi.advanceTimersByTimeAsync(60_000);
    await closing;
    vi.useRealTimers();
  });

  const makeAgents = (...ceilings: number[]) => {
    hosts = ceilings.map((ceiling, n) => new FakeHost(`place-${n}`, ceiling));
    agents = hosts.map((host, n) => new Agent({ id: `id${n}`, name: "abc"[n]!, version: VERSION }, bus, store, host));
  };

  const planOf = async (connections: number, onLost: OnLost, durationMs?: number): Promise<FleetPlan> => {
    const spec = parseRunSpec({
      to: "127.0.0.1:7777",
      connections,
      durationMs: durationMs ?? Number.POSITIVE_INFINITY,
    });
    const found = await findAgents(bus, agents.length, VERSION);
    return {
      run: "run1",
      version: VERSION,
      spec,
      onLost,
      timing: TIMING,
      ...(await dealFleet(new Survey(bus, TIMING, onLost), found, spec)),
    };
  };

  const begin = async (connections: number, onLost: OnLost, durationMs?: number) => {
    const plan = await planOf(connections, onLost, durationMs);
    const lease = new Lease(bus, plan.run, TIMING.heartbeatMs);
    const run = new FleetRun(plan, await prepareFleet(bus, plan), bus, store);
    run.done.then(
      () => lease.end(),
      () => lease.end(),
    );
    await vi.advanceTimersByTimeAsync(400);
    return { run, lease };
  };

  /** Makes an agent as good as stopped by SIGSTOP: nothing of it arrives any more. */
  const silence = (index: number) => {
    bus.drops = (message) => (message as { agent?: string }).agent === `id${index}`;
  };

  const settle = async <T>(promise: Promise<T>, withinMs: number): Promise<T> => {
    let isSettled = false;
    promise.then(
      () => {
        isSettled = true;
      },
      () => {
        isSettled = true;
      },
    );
    await vi.advanceTimersByTimeAsync(withinMs);
    expect(isSettled).toBe(true);
    return promise;
  };

  it("opens exact shares by ceiling, holds them together, and ends by itself", async () => {
    makeAgents(100, 300, 100);
    const { run } = await begin(50, "abort", 2000);
    expect(hosts.map(({ open }) => open)).toEqual([10, 30, 10]);
    expect(run.members.map(({ spec }) => spec.sourcePorts)).toEqual([undefined, undefined, undefined]);
    expect(run.snapshot()).toMatchObject({ open: 50, stage: "hold", requested: 50 });
    expect(await runsOf({ bus, store })).toMatchObject({ current: [{ run: "run1", agents: 3, open: 50 }], kept: [] });
    const result = await settle(run.done, 3000);
    expect(result).toMatchObject({ outcome: "met", requested: 50, established: 50, fleet: { isPartial: false } });
    expect(hosts.map(({ open }) => open)).toEqual([0, 0, 0]);
    expect(agents.map(({ run: own }) => own)).toEqual([undefined, undefined, undefined]);
    expect(await store.keys()).toEqual(["run1.plan", "run1.result"]);
    expect(await runsOf({ bus, store })).toMatchObject({
      current: [],
      kept: [{ run: "run1", requested: 50, hasResult: true }],
    });
    expect(await resultOf({ bus, store }, "run1")).toMatchObject({ established: 50 });
    await expect(resultOf({ bus, store }, "run2")).rejects.toThrow('no result of run "run2" is kept');
  });

  it.each([
    ["abort", [0, 0], 5, "interrupted", "agent b was lost, which ended the run"],
    ["continue", [5, 0], 5, "missed", "agent b was lost, with 5 of 10 connections"],
    ["redeal", [10, 0], 0, "met", undefined],
  ] as const)(
    "names a silent agent within three heartbeats, with %s",
    async (onLost, left, missing, outcome, meaning) => {
      makeAgents(100, 100);
      const { run } = await begin(10, onLost);
      const lost = vi.fn();
      run.on("agentLost", lost);
      silence(1);
      await vi.advanceTimersByTimeAsync(3 * TIMING.heartbeatMs + TIMING.heartbeatMs);
      expect(lost.mock.calls).toEqual([["b", "silent for 3 heartbeats"]]);
      // When it is heard again, it is told to close its connections.
      bus.drops = () => false;
      await vi.advanceTimersByTimeAsync(TIMING.heartbeatMs);
      expect(hosts.map(({ open }) => open)).toEqual(left);
      const result = await settle(run.stop(), 1000);
      expect(result).toMatchObject({ outcome, requested: 10, fleet: { isPartial: true, missing } });
      // Two loads of one agent are counted by the same kernel.
      expect(result.kernel).toEqual(connectResult({}).kernel);
      expect(result.diagnosis.notes[0]).toMatch(/^agent b was lost at .*silent for 3 heartbeats/);
      expect(result.diagnosis.finding?.meaning).toEqual(meaning);
    },
  );

  it("deals no more to an agent than it can hold", async () => {
    makeAgents(8, 8);
    const { run } = await begin(12, "redeal");
    const notTaken = vi.fn();
    run.on("notTaken", notTaken);
    silence(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(hosts[0]!.open).toBe(8);
    const why = "agent a: it can hold 2 more (MemAvailable)";
    expect(notTaken.mock.calls).toEqual([["b", 4, why]]);
    const { fleet, diagnosis } = await settle(run.stop(), 1000);
    expect(fleet).toMatchObject({
      missing: 4,
      agents: [{ requested: 8 }, { requested: 6, state: "lost", untaken: why }],
    });
    expect(diagnosis.notes[0]).toMatch(/^agent b was lost .*; the others did not take over all of them \(agent a: /);
  });

  it("gives the connections of an agent without kernel sockets to others if one has no address left, and says so if all have none", async () => {
    makeAgents(100, 100, 100);
    // The first two have one source address each, which their own share takes.
    for (const [n, host] of hosts.entries()) host.packet = [{ first: `10.64.${n}.1`, count: n < 2 ? 1 : 8 }];
    const { run } = await begin(30, "redeal");
    const notTaken = vi.fn();
    run.on("notTaken", notTaken);
    silence(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(run.members.map(({ requested }) => requested)).toEqual([10, 10, 20]);
    expect(notTaken).not.toHaveBeenCalled();
    bus.drops = (message) => ["id1", "id2"].includes((message as { agent?: string }).agent ?? "");
    await vi.advanceTimersByTimeAsync(500);
    expect(notTaken.mock.calls).toEqual([["c", 20, "agent a: its only source address is in use"]]);
    expect(await settle(run.stop(), 1000)).toMatchObject({ established: 10, fleet: { missing: 20 } });
  });

  it("keeps the numbers of connections that are taken over, also if an agent refuses them or is lost, too", async () => {
    makeAgents(100, 100, 100);
    const { run } = await begin(30, "redeal");
    const numbersOf = (host: FakeHost) =>
      host.specs
        .flatMap(({ numberedBefore = 0, connections }) =>
          Array.from({ length: connections }, (_, n) => numberedBefore + n),
        )
        .toSorted((a, b) => a - b);
    const all = Array.from({ length: 30 }, (_, n) => n);
    const own = hosts[1]!.specs.length;
    hosts[1]!.prepares = async () => {
      throw new AppError("E_NO_SOURCE", "no source address reaches the destination");
    };
    silence(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(numbersOf(hosts[0]!)).toEqual([...all.slice(0, 10), ...all.slice(20)]);
    hosts[1]!.prepares = async () => undefined;
    hosts[1]!.specs.splice(own);
    bus.drops = (message) => ["id0", "id2"].includes((message as { agent?: string }).agent ?? "");
    await vi.advanceTimersByTimeAsync(500);
    expect(numbersOf(hosts[1]!)).toEqual(all);
    expect(await settle(run.stop(), 1000)).toMatchObject({ outcome: "met", established: 30 });
  });

  it("says which agent refused to take connections over", async () => {
    makeAgents(100, 100);
    const { run } = await begin(10, "redeal");
    const notTaken = vi.fn();
    run.on("notTaken", notTaken);
    hosts[0]!.prepares = async () => {
      throw new AppError("E_NO_SOURCE", "no source address reaches the destination");
    };
    silence(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(notTaken.mock.calls).toEqual([["b", 5, "agent a: no source address reaches the destination"]]);
    await settle(run.stop(), 1000);
  });

  it("counts no connections as taken over that the others did not open", async () => {
    makeAgents(100, 100);
    const { run } = await begin(10, "redeal");
    hosts[0]!.prepares = () => new Promise((resolve) => setTimeout(resolve, 1000));
    silence(1);
    await vi.advanceTimersByTimeAsync(500);
    const result = await settle(run.stop(), 2000);
    expect(result).toMatchObject({ outcome: "missed", established: 5, fleet: { missing: 5 } });
    expect(result.fleet!.agents.map(({ requested }) => requested)).toEqual([5, 5]);
  });

  it("deals connections again that an agent does not take, or takes long to prepare", async () => {
    makeAgents(100, 100, 100);
    const { run } = await begin(30, "redeal");
    hosts[0]!.prepares = async () => {
      throw new AppError("E_NO_SOURCE", "no source address reaches the destination");
    };
    hosts[1]!.prepares = () => new Promise((resolve) => setTimeout(resolve, 20_000));
    const beats = bus.drops;
    silence(2);
    await vi.advanceTimersByTimeAsync(19_000);
    expect(run.members.map(({ extra, pending }) => [extra, pending])).toEqual([
      [0, 0],
      [0, 10],
      [0, 0],
    ]);
    bus.drops = beats;
    await vi.advanceTimersByTimeAsync(2000);
    expect(hosts.map(({ open }) => open)).toEqual([10, 20, 0]);
    const { fleet } = await settle(run.stop(), 1000);
    expect(fleet).toMatchObject({ missing: 0, agents: [{ requested: 10 }, { requested: 20 }, { requested: 10 }] });
  });

  it("gives connections to a third agent if the one that takes them is lost, too, and holds until they are open", async () => {
    makeAgents(100, 100, 100);
    const { run } = await begin(30, "redeal", 3000);
    hosts[1]!.prepares = () => new Promise(() => undefined);
    silence(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(run.members.map(({ pending, extra }) => pending + extra)).toEqual([5, 5, 0]);
    bus.drops = (message) => ["id1", "id2"].includes((message as { agent?: string }).agent ?? "");
    await vi.advanceTimersByTimeAsync(2000);
    expect(hosts[0]!.open).toBe(30);
    const result = await settle(run.done, 3000);
    expect(result).toMatchObject({ outcome: "met", established: 30, fleet: { missing: 0, isPartial: true } });
  });

  it("takes the results of agents that ended while it stood still or was cut off", async () => {
    makeAgents(100, 100);
    const { run } = await begin(10, "abort");
    let isCutOff = true;
    bus.drops = (message) => isCutOff && !("result" in message);
    // Nothing of anybody arrives, as if a wire were cut that nobody notices.
    await vi.advanceTimersByTimeAsync(TIMING.leaseMs + 2 * TIMING.heartbeatMs);
    isCutOff = false;
    expect(hosts.map(({ open }) => open)).toEqual([0, 0]);
    const result = await settle(run.done, 2000);
    expect(result).toMatchObject({ outcome: "interrupted", established: 10, fleet: { isPartial: false, missing: 0 } });
  });

  it("is not met if the agents ended the hold before its time, because it stood still", async () => {
    makeAgents(100, 100);
    const { run } = await begin(10, "abort", 600);
    const late: object[] = [];
    bus.drops = (message) => {
      if ("result" in message) late.push(message);
      return true;
    };
    await vi.advanceTimersByTimeAsync(630);
    expect(hosts.map(({ open }) => open)).toEqual([0, 0]);
    bus.drops = () => false;
    for (const part of late) bus.publish(SUBJECTS.parts(run.id), part);
    expect(await settle(run.done, 3000)).toMatchObject({ outcome: "interrupted", established: 10 });
  });

  it("repeats an order to start that did not arrive, but not for ever", async () => {
    makeAgents(100, 100);
    bus.drops = (message) => (message as { ask?: string }).ask === "start";
    const { run } = await begin(10, "abort");
    await vi.advanceTimersByTimeAsync(300);
    expect(hosts.map(({ open }) => open)).toEqual([0, 0]);
    bus.drops = () => false;
    await vi.advanceTimersByTimeAsync(300);
    expect(hosts.map(({ open }) => open)).toEqual([5, 5]);
    await settle(run.stop(), 1000);
    bus.drops = (message) => (message as { ask?: string }).ask === "start";
    const { run: never } = await begin(10, "abort");
    const ended = never.done.catch((error: Error) => error.message);
    expect(await settle(ended, 3000)).toMatch(/it did not start/);
  });

  it("starts an agent that missed the order, and is given connections of a lost one first", async () => {
    makeAgents(100, 100);
    bus.drops = (message, subject) =>
      (message as { ask?: string }).ask === "start" && subject === SUBJECTS.agent("id0");
    const { run } = await begin(10, "redeal");
    agents[1]!.close();
    await vi.advanceTimersByTimeAsync(100);
    bus.drops = () => false;
    await vi.advanceTimersByTimeAsync(400);
    expect(hosts.map(({ open }) => open)).toEqual([10, 0]);
    expect(await settle(run.stop(), 1000)).toMatchObject({ outcome: "met", established: 10 });
  });

  it("cannot make an agent with connections serve as well, or keep one busy whose results do not belong together", async () => {
    makeAgents(100, 100);
    const { run } = await begin(10, "continue");
    const extend = async (spec: object) => {
      const request = { ask: "extend", run: run.id, extension: randomUUID().slice(0, 8), spec, total: 10 };
      return settle(bus.request(SUBJECTS.agent("id0"), request, 1000), 100);
    };
    const unreadable = { failure: { message: "the coordinator's request cannot be read" } };
    expect(await extend({ ...run.spec, at: "127.0.0.1:7777", base64: {} })).toMatchObject(unreadable);
    const prepare = hosts[0]!.prepare.bind(hosts[0]);
    hosts[0]!.prepare = async (spec) => {
      const prepared = await prepare(spec);
      return { ...prepared, begin: () => ({ ...prepared.begin(), done: Promise.resolve({} as ConnectResult) }) };
    };
    expect(await extend(run.spec)).toEqual({});
    const { fleet } = await settle(run.stop(), 1000);
    expect(fleet!.agents.map(({ state }) => state)).toEqual(["failed", "ended"]);
    expect(agents.map(({ run: own }) => own)).toEqual([undefined, undefined]);
  });

  it("stops agents that are still preparing", async () => {
    makeAgents(100, 100);
    hosts[1]!.prepares = () => new Promise((resolve) => setTimeout(resolve, 1000));
    const plan = await planOf(10, "abort");
    const prepared = prepareFleet(bus, plan).catch((error: Error) => error.message);
    await vi.advanceTimersByTimeAsync(500);
    for (const { identity } of agents) bus.publish(SUBJECTS.agent(identity.id), { ask: "stop", run: plan.run });
    expect(await settle(prepared, 600)).toBe("agent b: the run was stopped");
    expect(agents.map(({ run }) => run)).toEqual([undefined, undefined]);
  });

  it("leaves nothing prepared if the run is stopped while shares are dealt anew", async () => {
    makeAgents(100);
    const plan = await planOf(10, "redeal");
    await prepareFleet(bus, plan);
    expect(hosts[0]!.held).toBe(1);
    hosts[0]!.prepares = () => new Promise((resolve) => setTimeout(resolve, 2000));
    const request = { ask: "prepare", run: plan.run, version: VERSION, spec: plan.spec, total: 11, timing: TIMING };
    const answer = bus.request(SUBJECTS.agent("id0"), request, 5000);
    await vi.advanceTimersByTimeAsync(200);
    // The new load may need what the earlier one had, such as addresses without kernel sockets.
    expect(hosts[0]!.held).toBe(0);
    bus.publish(SUBJECTS.agent("id0"), { ask: "stop", run: plan.run });
    expect(await settle(answer, 2000)).toMatchObject({ failure: { message: "the run was stopped" } });
    expect([hosts[0]!.held, agents[0]!.run]).toEqual([0, undefined]);
  });

  it("can be stopped by its id or by its caller before the start", async () => {
    makeAgents(100, 100);
    hosts[1]!.prepares = () => new Promise(() => undefined);
    const plan = await planOf(10, "abort");
    for (const stop of [
      (_: AbortController) => stopRun({ bus, store }, plan.run),
      (by: AbortController) => by.abort(),
    ]) {
      const caller = new AbortController();
      const early = new EarlyStop(caller.signal);
      early.listen(bus, plan.run);
      const prepared = early.race(prepareFleet(bus, plan)).catch((error: Error) => error.message);
      await vi.advanceTimersByTimeAsync(500);
      await stop(caller);
      expect(await settle(prepared, 0)).toBe("the run was stopped before it started");
      early.end();
      for (const { identity } of agents) bus.publish(SUBJECTS.agent(identity.id), { ask: "stop", run: plan.run });
    }
    await expect(settle(stopRun({ bus, store }, plan.run), 0)).rejects.toThrow(/no coordinator answers/);
  });

  it("leaves out an agent that falls silent before it tells its ceiling, or ends within three heartbeats", async () => {
    const planned = async (onLost: OnLost) => {
      makeAgents(100, 100, 100);
      const spec = parseRunSpec({ to: "127.0.0.1:7777", connections: 30 });
      const found = await findAgents(bus, 3, VERSION);
      bus.drops = (_, subject) => subject === SUBJECTS.agent("id1");
      const survey = new Survey(bus, TIMING, onLost);
      const dealing = dealFleet(survey, found, spec).catch((error: Error) => error.message);
      const plan = await settle(dealing, 3500);
      await bus.close();
      bus.drops = () => false;
      if (typeof plan === "string") return plan;
      return [...plan.dealt.map(({ agent, connections }) => `${agent.name} ${connections}`), ...survey.absences];
    };
    expect(await planned("abort")).toBe("agent b: silent for 3 s");
    expect(await planned("continue")).toEqual(["a 15", "c 15", "agent b is left out: silent for 3 s"]);
  });

  it("does not call an agent silent that answers otherwise than with a ceiling, or not in time", async () => {
    const planned = async (ceiling: () => Promise<object>) => {
      makeAgents(100, 100);
      hosts[1]!.ceiling = ceiling as FakeHost["ceiling"];
      const dealing = planOf(10, "abort").catch((error: Error) => error.message);
      const plan = await settle(dealing, 21_000);
      await bus.close();
      return plan;
    };
    const own = Object.assign(new Error(`cannot parse ${"x".repeat(5000)}`), { code: 20 });
    expect(await planned(() => Promise.reject(own))).toMatch(/^agent b: cannot parse x{100,700}…/);
    expect(await planned(async () => ({ connections: "many" }))).toBe("agent b: its answer cannot be read");
    expect(await planned(() => new Promise(() => undefined))).toBe("agent b: it did not tell its ceiling within 20 s");
  });

  it("asks again for a ceiling if NATS restarts meanwhile", async () => {
    makeAgents(100, 100);
    const found = await findAgents(bus, 2, VERSION);
    const spec = parseRunSpec({ to: "127.0.0.1:7777", connections: 10 });
    bus.isConnected = false;
    const dealing = dealFleet(new Survey(bus, TIMING, "abort"), found, spec);
    dealing.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(300);
    bus.isConnected = true;
    expect((await settle(dealing, 300)).dealt.map(({ connections }) => connections)).toEqual([5, 5]);
  });

  it.each(Object.values(LEASES_MS))("has agents that take part with a lease of %d ms", async (leaseMs) => {
    makeAgents(100);
    const plan = { ...(await planOf(2, "abort")), timing: { leaseMs, heartbeatMs: leaseMs / BEATS_PER_LEASE } };
    expect(await settle(prepareFleet(bus, plan), 100)).toMatchObject([{ state: "active" }]);
  });

  it("refuses to start without an agent that is late, or goes on without it, or deals anew", async () => {
    const prepared = async (onLost: OnLost) => {
      makeAgents(100, 100);
      hosts[1]!.prepares = () => new Promise(() => undefined);
      const plan = await planOf(10, onLost);
      const settled = prepareFleet(bus, plan, 1000).catch((error: Error) => error.message);
      await vi.advanceTimersByTimeAsync(1100);
      const members = await settled;
      await bus.close();
      if (typeof members === "string") return members;
      return members.map(({ name, state, requested, takenOver }) => [name, state, requested, takenOver]);
    };
    expect(await prepared("abort")).toBe("agent b: not ready within 1 s");
    expect(await prepared("continue")).toEqual([
      ["a", "active", 5, 0],
      ["b", "left-out", 5, 0],
    ]);
    expect(await prepared("redeal")).toEqual([
      ["a", "active", 10, 0],
      ["b", "left-out", 5, 5],
    ]);
  });

  it("tells an agent that dies while it prepares from one that takes long", async () => {
    makeAgents(100, 100);
    const slowly = () => new Promise<void>((resolve) => setTimeout(resolve, 8000));
    hosts[0]!.prepares = slowly;
    hosts[1]!.prepares = slowly;
    const plan = await planOf(10, "continue");
    const members = prepareFleet(bus, plan);
    await vi.advanceTimersByTimeAsync(500);
    silence(1);
    expect(await settle(members, 8000)).toMatchObject([
      { name: "a", state: "active" },
      { name: "b", state: "left-out", reason: "silent for 3 s" },
    ]);
  });

  it("does not blame agents for a cut wire", async () => {
    makeAgents(100);
    hosts[0]!.prepares = () => new Promise(() => undefined);
    const plan = await planOf(2, "abort");
    const lease = new Lease(bus, plan.run, TIMING.heartbeatMs);
    const refused = prepareFleet(bus, plan).catch((error: Error) => error.message);
    await vi.advanceTimersByTimeAsync(500);
    bus.drops = () => true;
    expect(await settle(refused, 4000)).toBe("agent a: NATS was silent for 3 s");
    lease.end();
    bus.drops = () => false;
  });

  it("asks an agent again to prepare if NATS restarts meanwhile", async () => {
    makeAgents(100);
    let prepared = 0;
    hosts[0]!.prepares = async () => void prepared++;
    const plan = await planOf(2, "abort");
    const lease = new Lease(bus, plan.run, TIMING.heartbeatMs);
    // The answer is lost, and then there is no connection for a while.
    bus.drops = (message) => "tuplesAvailable" in message;
    const members = prepareFleet(bus, plan);
    await vi.advanceTimersByTimeAsync(100);
    bus.isConnected = false;
    await vi.advanceTimersByTimeAsync(300);
    bus.isConnected = true;
    bus.drops = () => false;
    expect(await settle(members, 3000)).toMatchObject([{ state: "active" }]);
    lease.end();
    expect(prepared).toBe(1);
  });

  it("reports an agent whose run fails", async () => {
    makeAgents(100, 100);
    hosts[1]!.failure = new AppError("E_WORKER", "no thread can be started");
    const { run } = await begin(10, "continue");
    const { fleet } = await settle(run.stop(), 1000);
    expect(fleet!.agents[1]).toMatchObject({ state: "failed", reason: "no thread can be started" });
  });

  it("refuses an agent of another version, and an agent refuses such a coordinator", async () => {
    makeAgents(100);
    await expect(findAgents(bus, 1, "9.9.9")).rejects.toThrow(
      "agent a has version 1.2.3 of fourtuple, and this coordinator 9.9.9",
    );
    const plan = { ...(await planOf(1 + 1, "abort")), version: "9.9.9" };
    await expect(prepareFleet(bus, plan)).rejects.toThrow(
      'agent a: the agent has version 1.2.3 of fourtuple, and the coordinator "9.9.9"',
    );
  });

  it("names the version of an agent that announces itself in a way it cannot read", async () => {
    makeAgents();
    bus.subscribe(SUBJECTS.agents, (_, answer) => answer?.({ name: "new", version: "9.9.9", host: { boot: 1 } }));
    await expect(findAgents(bus, undefined, VERSION)).rejects.toThrow(
      "agent new has version 9.9.9 of fourtuple, and this coordinator 1.2.3",
    );
  });

  it("ends in bounded time when NATS stays away, and so do the agents", async () => {
    makeAgents(100, 100);
    const { run } = await begin(10, "continue");
    bus.isConnected = false;
    const ended = run.done.catch((error: Error) => error.message);
    store.bus = bus;
    expect(await settle(ended, 2000)).toMatch(/NATS was unreachable for longer than the lease/);
    expect(hosts.map(({ open }) => open)).toEqual([0, 0]);
    // When it is back, the agents store their parts.
    bus.isConnected = true;
    await vi.advanceTimersByTimeAsync(2000);
    expect(await recoverResult(store, "run1")).toMatchObject({ established: 10 });
  });

  it("may die: the agents close their connections, and their parts make the result", async () => {
    makeAgents(100, 100);
    const { lease } = await begin(10, "abort");
    lease.end();
    // The coordinator is not heard, and does not hear of the results either.
    bus.drops = (message, subject) => "result" in message || subject === SUBJECTS.runs;
    await expect(resultOf({ bus, store }, "run1")).rejects.toMatchObject({
      message: "run run1 has lost its coordinator, and 2 agents still take part in it",
    });
    await vi.advanceTimersByTimeAsync(TIMING.leaseMs + 2 * TIMING.heartbeatMs);
    expect(hosts.map(({ open }) => open)).toEqual([0, 0]);
    expect(agents.map(({ run }) => run)).toEqual([undefined, undefined]);
    const parts = (await store.keys()).filter((key) => key.includes(".part."));
    expect(parts).toEqual(["run1.part.id0", "run1.part.id1"]);
    expect(await recoverResult(store, "run1")).toMatchObject({ outcome: "interrupted", established: 10 });
  });

  it("may die after an agent was lost: the connections that others have taken over are not missing", async () => {
    makeAgents(100, 100);
    const { lease } = await begin(10, "redeal");
    silence(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(hosts[0]!.open).toBe(10);
    lease.end();
    bus.drops = (message) => "result" in message;
    await vi.advanceTimersByTimeAsync(TIMING.leaseMs + 2 * TIMING.heartbeatMs);
    expect(await recoverResult(store, "run1")).toMatchObject({
      established: 10,
      fleet: { missing: 0, agents: [{ requested: 10 }, { state: "lost", reason: "silent for 3 heartbeats" }] },
    });
  });

  it("ends if the results of its agents cannot be merged", async () => {
    makeAgents(100, 100);
    const plan = await planOf(10, "abort", 500);
    const result = () => {
      throw new TypeError("x is undefined");
    };
    const run = new FleetRun({ ...plan, role: { ...plan.role, result } }, await prepareFleet(bus, plan), bus, store);
    const lease = new Lease(bus, plan.run, TIMING.heartbeatMs);
    const ended = run.done.catch((error: Error) => error.message);
    expect(await settle(ended, 2000)).toBe("the agents' results cannot be merged: x is undefined");
    lease.end();
    expect(hosts.map(({ open }) => open)).toEqual([0, 0]);
  });

  it("says that its result is not kept, and leaves the parts", async () => {
    makeAgents(100);
    const { run } = await begin(10, "abort");
    const said = vi.fn();
    run.on("notKept", said);
    store.put = async () => "maximum bytes exceeded";
    await settle(run.stop(), 1000);
    expect(said.mock.calls).toEqual([["maximum bytes exceeded"]]);
  });
});
