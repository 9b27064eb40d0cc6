// Makes one result from the agents' parts: counters are added, histograms merged by their buckets, and times moved to
// the coordinator's clock. The verdict and the diagnosis are those of the whole run.
import { explained } from "../../../diagnosis/explain.js";
import type { ConnectResult } from "../../../results/connect.js";
import type { Explained } from "../../../results/diagnosis.js";
import type { FleetAgent, FleetReport } from "../../../results/fleet/fleet.js";
import { MISS_KINDS } from "../../../results/identifiers.js";
import { mergeConnect, mergeFailures } from "../../../results/merge/connect.js";
import type { Miss } from "../../../results/outcome.js";
import { allowedErrors, thresholdMisses } from "../../../results/thresholds.js";
import { countOncePerPlace, spreadKernelMemory } from "../../sums/kernel-counts.js";
import { fleetNotes, wordsOf } from "./notes.js";
import { agentFieldsOf, type FleetFacts, type Outcome, onOurClock } from "./outcome.js";

/** @returns the result; undefined if no agent has delivered its part */
export function fleetResult(facts: FleetFacts, outcomes: readonly Outcome[]): Explained<ConnectResult> | undefined {
  const ended = outcomes.filter((outcome) => outcome.result !== undefined && outcome.state === "ended");
  if (ended.length === 0) return undefined;
  const parts = ended.map(({ result, clock }) => onOurClock(result!, clock));
  const agents = outcomes.map((outcome) => describe(outcome, facts.startMs));
  const starts = agents.flatMap(({ startMs }) => (startMs === undefined ? [] : [startMs]));
  const missing = missingOf(outcomes, ended);
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
      whole.diagnosis.finding,
    ),
    ...whole.diagnosis.notes,
  ];
  return { ...whole, diagnosis: { ...whole.diagnosis, notes } };
}

/** An agent may have opened connections for others without the coordinator knowing, if that died or was cut off. */
function missingOf(outcomes: readonly Outcome[], ended: readonly Outcome[]): number {
  const untaken = outcomes
    .filter(({ state }) => state !== "ended")
    .reduce((sum, { requested, takenOver }) => sum + Math.max(0, requested - takenOver), 0);
  const surplus = ended.reduce((sum, { requested, result }) => sum + Math.max(0, result!.requested - requested), 0);
  return Math.max(0, untaken - surplus);
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
  const { clock, requested, state, last, result } = outcome;
  const own = state === "ended" ? result : undefined;
  const finding = own && explained(own).diagnosis.finding;
  const startedMs = own && Date.parse(onOurClock(own, clock).startedAt) + own.setupMs - startMs;
  return {
    ...agentFieldsOf(outcome),
    requested: Math.max(requested, own?.requested ?? 0),
    established: own?.established ?? last?.established ?? 0,
    openAtStop: own?.openAtStop ?? last?.open ?? 0,
    failed: own?.failed ?? last?.failed ?? 0,
    lost: own?.lost ?? last?.lost ?? 0,
    untaken: outcome.untaken,
    failures: own ? mergeFailures(own.failures, own.losses) : [],
    startMs: startedMs === undefined ? undefined : Math.round(startedMs),
    cpuShare: own?.rampShares?.cpu,
    finding: finding && finding.limit !== "stop" ? wordsOf(finding) : undefined,
  };
}
