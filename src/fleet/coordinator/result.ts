// Makes one result from the agents' parts: counters are added, histograms merged by their buckets, and times moved to
// the coordinator's clock. The verdict and the diagnosis are those of the whole run.
import { explained } from "../../diagnosis/explain.js";
import type { RunSpec } from "../../planning/run-spec.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import type { FleetAgent, FleetReport } from "../../results/fleet/fleet.js";
import { MISS_KINDS } from "../../results/identifiers.js";
import { mergeConnect, mergeFailures } from "../../results/merge/connect.js";
import type { Miss } from "../../results/outcome.js";
import { parseResult } from "../../results/parse.js";
import { allowedErrors, thresholdMisses } from "../../results/thresholds.js";
import { countOncePerPlace, spreadKernelMemory } from "../kernel-counts.js";
import type { Announcement, Ceiling, Part } from "../messages.js";
import type { ClockOffset } from "./clock.js";
import { fleetNotes } from "./notes.js";

/** What remains of a member when the run is over. Plain data. */
export interface Outcome {
  readonly agent: Announcement;
  readonly ceiling: Ceiling;
  readonly clock: ClockOffset;
  readonly requested: number;
  readonly takenOver: number;
  readonly state: FleetAgent["state"];
  readonly reason?: string | undefined;
  readonly lostAt?: string | undefined;
  readonly last?:
    | { readonly established: number; readonly open: number; readonly failed: number; readonly lost: number }
    | undefined;
  readonly result?: ConnectResult | undefined;
}

export interface FleetFacts {
  readonly run: string;
  readonly onLost: FleetReport["onLost"];
  readonly spec: Pick<RunSpec, "connections" | "thresholds">;
  /** When the agents were to start, by the coordinator's clock. */
  readonly startMs: number;
  /** Whether the run was ended before its time. */
  readonly wasStopped: boolean;
}

/** A ceiling above this means that no limit applies. */
const UNLIMITED = 2 ** 31 - 1;

/** @returns the result; undefined if no agent has delivered its part */
export function fleetResult(facts: FleetFacts, outcomes: readonly Outcome[]): Explained<ConnectResult> | undefined {
  const ended = outcomes.filter((outcome) => outcome.result !== undefined && outcome.state === "ended");
  if (ended.length === 0) return undefined;
  const parts = ended.map(({ result, clock }) => onOurClock(result!, clock));
  const agents = outcomes.map((outcome) => describe(outcome, facts.startMs));
  const starts = agents.flatMap(({ startMs }) => (startMs === undefined ? [] : [startMs]));
  const missing = outcomes
    .filter(({ state }) => state !== "ended")
    .reduce((sum, { requested, takenOver }) => sum + Math.max(0, requested - takenOver), 0);
  const fleet: FleetReport = {
    run: facts.run,
    onLost: facts.onLost,
    isPartial: agents.some(({ state }) => state !== "ended"),
    missing,
    startSkewMs: starts.length === 0 ? 0 : Math.round(Math.max(...starts) - Math.min(...starts)),
    agents,
  };
  const counted = countOncePerPlace(
    parts,
    ended.map(({ agent }) => agent.place),
  );
  const spread = spreadKernelMemory(
    counted,
    ended.map(({ agent }) => agent.host || agent.id),
  );
  const merged = judged(spread.reduce(mergeConnect), facts, missing);
  const whole = explained({ ...merged, fleet });
  const notes = [
    ...fleetNotes(
      fleet,
      ended.map(({ agent }) => agent.id),
      parts,
    ),
    ...whole.diagnosis.notes,
  ];
  return { ...whole, diagnosis: { ...whole.diagnosis, notes } };
}

/**
 * Reads the result in a part.
 * @returns undefined if the agent was stopped before it started
 * @throws {AppError} E_OPTION if the result cannot be read
 */
export function readPart({ result }: Part, name: string): ConnectResult | undefined {
  return result && parseResult(result, ["connect"], `the result of agent ${name}`);
}

function onOurClock(result: ConnectResult, { offsetMs }: ClockOffset): ConnectResult {
  return { ...result, startedAt: new Date(Date.parse(result.startedAt) - offsetMs).toISOString() };
}

/** Applies the thresholds of the whole run, and counts the connections of agents without a result as missing. */
function judged(merged: ConnectResult, { spec, wasStopped }: FleetFacts, missing: number): ConnectResult {
  const { connections: requested, thresholds } = spec;
  const others = merged.misses.filter(({ kind }) => kind !== "established" && kind !== "errors" && kind !== "failures");
  const established = (merged.misses.find(({ kind }) => kind === "established")?.count ?? 0) + missing;
  const counted = [
    { kind: "established" as const, count: established, of: Math.max(requested, established) },
    errorMiss(merged, spec),
    ...others,
  ].filter(({ count }) => count > 0);
  // The parts know only the number of allowed failures, and each of them tolerates all of it.
  const misses: Miss[] = [...counted, ...thresholdMisses(thresholds, merged)];
  misses.sort((a, b) => MISS_KINDS.indexOf(a.kind) - MISS_KINDS.indexOf(b.kind));
  const isInterrupted = wasStopped || merged.outcome === "interrupted";
  const outcome = isInterrupted ? "interrupted" : misses.length > 0 ? "missed" : "met";
  return { ...merged, requested, thresholds, misses, outcome, isTargetMet: outcome === "met" };
}

/** Each part tolerates the share of the whole, so its errors are judged here. */
function errorMiss({ responses }: ConnectResult, { thresholds, connections }: FleetFacts["spec"]): Miss {
  const errors = (responses?.statuses ?? [])
    .filter(({ errno }) => errno.startsWith("HTTP "))
    .reduce((sum, { count }) => sum + count, 0);
  const of = responses ? responses["2xx"] + responses["3xx"] + responses["4xx"] + responses["5xx"] : 0;
  return { kind: "errors", count: errors > allowedErrors(thresholds, of, connections) ? errors : 0, of };
}

function describe(outcome: Outcome, startMs: number): FleetAgent {
  const { agent, ceiling, clock, requested, state, reason, lostAt, last, result } = outcome;
  const { id, name, version, cores, memoryBytes, addresses } = agent;
  const own = state === "ended" ? result : undefined;
  const finding = own && explained(own).diagnosis.finding;
  const startedMs = own && Date.parse(onOurClock(own, clock).startedAt) + own.setupMs - startMs;
  return {
    id,
    name,
    version,
    cores,
    memoryBytes,
    addresses,
    ceiling: ceiling.connections >= UNLIMITED ? "unlimited" : ceiling.connections,
    limit: ceiling.limit,
    requested,
    state,
    reason,
    lostAt,
    established: own?.established ?? last?.established ?? 0,
    openAtStop: own?.openAtStop ?? last?.open ?? 0,
    failed: own?.failed ?? last?.failed ?? 0,
    lost: own?.lost ?? last?.lost ?? 0,
    failures: own ? mergeFailures(own.failures, own.losses) : [],
    clockOffsetMs: round(clock.offsetMs),
    roundTripMs: round(clock.roundTripMs),
    startMs: startedMs === undefined ? undefined : Math.round(startedMs),
    cpuShare: own?.rampShares?.cpu,
    finding: finding && finding.limit !== "stop" ? `${finding.limit}: ${finding.meaning}` : undefined,
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
