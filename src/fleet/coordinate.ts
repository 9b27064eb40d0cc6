// Entry point of the coordinator: finds the agents, deals the connections, and starts all agents at once.
import { randomBytes } from "node:crypto";
import { specOf } from "../client/connect.js";
import { stopOnAbort } from "../engine/run/stop-on-abort.js";
import { indexFor } from "../engine/script/run.js";
import type { ConnectOptions } from "../planning/connect-options.js";
import { HOLD_MS } from "../planning/parse-run-spec.js";
import type { RunSpec } from "../planning/run-spec.js";
import type { ServeOptions } from "../server/options.js";
import { AppError } from "../util/errors.js";
import { readVersion } from "../util/program/files.js";
import { assertSupported } from "./agent/host.js";
import { type Bus, SUBJECTS } from "./bus.js";
import { withContents } from "./contents.js";
import { type Deal, dealFleet, dealServers, type FleetPlan, prepareFleet } from "./coordinator/assemble.js";
import type { Dealt } from "./coordinator/dealing/deal.js";
import { foreseenShortage } from "./coordinator/dealing/room.js";
import { EarlyStop } from "./coordinator/early-stop.js";
import { FleetRun } from "./coordinator/fleet-run.js";
import { Lease } from "./coordinator/lease.js";
import type { Kind, ServerKind } from "./coordinator/roles/kind.js";
import { findAgents } from "./coordinator/roster.js";
import { Survey } from "./coordinator/survey.js";
import { type Announcement, BEATS_PER_LEASE, LEASES_MS } from "./messages.js";
import { connectNats, type Link } from "./nats/link.js";
import type { FleetOptions } from "./options.js";
import { serverSpec } from "./server-spec.js";

export const LEASE_MS = 5000;

/** Options of a run that is divided among a fleet. */
export interface FleetConnectOptions extends ConnectOptions {
  readonly fleet: FleetOptions;
}

/** Reports the steps before the start. */
export interface FleetProgress {
  /** The agents have been dealt their shares. */
  dealt?(run: string, dealt: readonly Dealt[], notes: readonly string[]): void;
}

/** Options of a server whose agents are a fleet. */
export interface FleetServeOptions extends ServeOptions {
  readonly fleet: FleetOptions;
  /** How long to serve, once all agents accept connections; default: until the run is stopped. */
  readonly durationMs?: number | undefined;
}

/**
 * Divides a run among the agents of a fleet.
 *
 * @throws {AppError} E_OPTION, or E_FLEET if NATS cannot be reached, or the fleet cannot hold the load; the refusal of
 *   an agent
 */
export async function connectFleet(options: FleetConnectOptions, progress: FleetProgress = {}): Promise<FleetRun> {
  const spec = takingTurns(withContents(asLoad(await specOf(options), options)));
  assertSupported(spec);
  if (spec.protocol?.name === "scripted") indexFor(spec.protocol, spec.connections);
  return withLink(options, "fourtuple coordinator", (link, fleet) =>
    startFleet(link, spec, { ...fleet, signal: options.signal }, dealFleet, progress),
  );
}

/**
 * Serves on all agents of a fleet. Each of them listens on the same address, or on its own if that is 0.0.0.0.
 *
 * @returns the run, whose agents accept connections
 * @throws {AppError} E_OPTION, or E_FLEET if NATS cannot be reached; the refusal of an agent
 */
export async function serveFleet({ fleet, durationMs, ...options }: FleetServeOptions): Promise<FleetRun<ServerKind>> {
  if (fleet.onLost === "redeal") {
    throw new AppError("E_OPTION", "--on-lost redeal needs connections to deal, and a server has none", {
      fix: "use abort or continue",
    });
  }
  const spec = withContents(await serverSpec(options, durationMs));
  const { signal } = options;
  return withLink({ fleet, signal }, "fourtuple coordinator", async (link, checked) => {
    const run = await startFleet(link, spec, { ...checked, signal }, dealServers);
    await run.ready;
    return run;
  });
}

async function withLink<K extends Kind>(
  { fleet, signal }: { readonly fleet: FleetOptions; readonly signal?: AbortSignal | undefined },
  name: string,
  start: (link: Link, fleet: FleetOptions & { readonly leaseMs: number }) => Promise<FleetRun<K>>,
): Promise<FleetRun<K>> {
  const leaseMs = checkLease(fleet.leaseMs);
  const link = await connectNats(fleet, name);
  try {
    const run = await start(link, { ...fleet, leaseMs });
    stopOnAbort(run, signal);
    return run;
  } catch (error) {
    await link.bus.close();
    throw error;
  }
}

/** A single connection prints what it receives, which an agent cannot; one that is asked for by number is a load. */
function asLoad(spec: RunSpec, { connections, durationMs = HOLD_MS }: ConnectOptions): RunSpec {
  if (!spec.isSingle || connections === undefined) return spec;
  return { ...spec, isSingle: false, durationMs: durationMs === Number.POSITIVE_INFINITY ? "forever" : durationMs };
}

/** The messages of all agents together are spread evenly, too. */
function takingTurns(spec: RunSpec): RunSpec {
  return { ...spec, messageTurns: { of: spec.connections, sinceMs: Date.now() } };
}

type StartOptions = FleetOptions & { readonly leaseMs: number; readonly signal?: AbortSignal | undefined };

type Dealer<K extends Kind> = (survey: Survey, agents: readonly Announcement[], spec: K["spec"]) => Promise<Deal<K>>;

async function startFleet<K extends Kind>(
  { bus, store }: Link,
  spec: K["spec"],
  { signal, ...fleet }: StartOptions,
  deal: Dealer<K>,
  progress: FleetProgress = {},
): Promise<FleetRun<K>> {
  const early = new EarlyStop(signal);
  try {
    const plan = await planRun({ bus, store }, spec, fleet, deal, early, progress);
    return await startAgents({ bus, store }, plan, early);
  } finally {
    early.end();
  }
}

async function planRun<K extends Kind>(
  { bus, store }: Link,
  spec: K["spec"],
  { agents: wanted, onLost = "abort", leaseMs }: StartOptions,
  deal: Dealer<K>,
  early: EarlyStop,
  progress: FleetProgress,
): Promise<FleetPlan<K>> {
  const version = readVersion();
  const agents = await early.race(findAgents(bus, wanted, version));
  const timing = { leaseMs, heartbeatMs: leaseMs / BEATS_PER_LEASE };
  const survey = new Survey(bus, timing, onLost);
  const plan: FleetPlan<K> = {
    run: randomBytes(4).toString("hex"),
    version,
    spec,
    onLost,
    timing,
    ...(await early.race(deal(survey, agents, spec))),
  };
  progress.dealt?.(plan.run, plan.dealt, [
    ...survey.absences,
    ...(onLost === "redeal" ? foreseenShortage(plan.dealt, plan.role.requested(spec) ?? 0) : []),
    ...(store.obstacle === undefined ? [] : [`the result is not kept: ${store.obstacle}`]),
  ]);
  return plan;
}

async function startAgents<K extends Kind>(
  { bus, store }: Link,
  plan: FleetPlan<K>,
  early: EarlyStop,
): Promise<FleetRun<K>> {
  early.listen(bus, plan.run);
  const lease = new Lease(bus, plan.run, plan.timing.heartbeatMs);
  try {
    await bus.check();
    const run = new FleetRun(plan, await early.race(prepareFleet(bus, plan)), bus, store);
    bus.check().catch((error: AppError) => run.abort(error));
    const end = () => {
      lease.end();
      void bus.close();
    };
    run.done.then(end, end);
    return run;
  } catch (error) {
    lease.end();
    release(bus, plan);
    throw error;
  }
}

/** Tells the agents that have prepared the run that it does not start. Their lease would end it, too, but later. */
function release(bus: Bus, { dealt, run }: Pick<FleetPlan, "dealt" | "run">): void {
  for (const { agent } of dealt) bus.publish(SUBJECTS.agent(agent.id), { ask: "stop", run });
}

function checkLease(leaseMs = LEASE_MS): number {
  if (leaseMs >= LEASES_MS.least && leaseMs <= LEASES_MS.most) return leaseMs;
  throw new AppError("E_OPTION", `invalid lease: ${leaseMs} ms`, { fix: "use 500 ms to 10 minutes" });
}
