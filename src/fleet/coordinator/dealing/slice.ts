// Divides a run spec into the parts of its agents. Counts add up exactly; rates are divided in the same proportion.
import type { RunSpec } from "../../../planning/run-spec.js";
import type { Stage } from "../../../planning/schedule.js";
import type { PortRange } from "../../../util/endpoint.js";
import { weightedShares } from "../../../util/share.js";

/** A part's connections, and the source ports that no other agent on its host uses. */
export interface Share {
  readonly connections: number;
  readonly sourcePorts: PortRange | "kernel" | undefined;
  /** Source addresses that no other part uses; default: those of the spec. */
  readonly sources?: RunSpec["sources"];
  /** The clock of the part's host minus that of the spec; default 0. */
  readonly clockOffsetMs?: number | undefined;
}

/** @param shares each above 0; they add up to the spec's connections */
export function sliceSpec(spec: RunSpec, shares: readonly Share[]): RunSpec[] {
  const weights = shares.map(({ connections }) => connections);
  const deal = (total: number) => weightedShares(total, weights);
  const requests = spec.requests === undefined ? undefined : withoutZeros(deal(spec.requests));
  const windows = deal(spec.concurrency);
  const targets = spec.stages?.map(({ target }) => deal(target));
  let numberedBefore = spec.numberedBefore ?? 0;
  return shares.map(({ connections, sourcePorts, sources = spec.sources, clockOffsetMs = 0 }, n) => {
    const part: RunSpec = {
      ...spec,
      connections,
      sourcePorts,
      sources,
      numberedBefore,
      turn: { index: n, of: shares.length },
      messageTurns: spec.messageTurns && {
        ...spec.messageTurns,
        sinceMs: spec.messageTurns.sinceMs + clockOffsetMs,
      },
      connectRatePerSec: spec.connectRatePerSec && (spec.connectRatePerSec * connections) / spec.connections,
      stages: spec.stages?.map(({ durationMs }, stage): Stage => ({ durationMs, target: targets![stage]![n]! })),
      concurrency: Math.max(1, windows[n]!),
      requests: requests?.[n],
      // The coordinator ends the hold of all agents at once, after the last one has opened its connections. A number
      // of messages ends a run by itself.
      durationMs: spec.requests === undefined ? "forever" : spec.durationMs,
      // The limits apply to the whole run. A part must not count failures that the whole tolerates.
      thresholds: { maxFailed: spec.thresholds.maxFailed },
      // Every connection of the whole run has been authorized or refused by then.
      isSingle: false,
    };
    numberedBefore += connections;
    return part;
  });
}

/**
 * Returns what is still to be done of a lost agent's spec, divided among other agents.
 *
 * @param shares connections that each of them takes over
 * @param elapsedMs time since the start of the run
 */
export function remainingSpecs(lost: RunSpec, shares: readonly Share[], elapsedMs: number): RunSpec[] {
  const connections = shares.reduce((sum, share) => sum + share.connections, 0);
  // Less than all of it, if the others cannot hold as many connections.
  const part = (total: number) => Math.round((total * connections) / lost.connections);
  const remaining: RunSpec = {
    ...lost,
    connections,
    connectRatePerSec: lost.connectRatePerSec && (lost.connectRatePerSec * connections) / lost.connections,
    stages: lost.stages && remainingStages(lost.stages, elapsedMs, part),
    concurrency: Math.max(1, part(lost.concurrency)),
    requests: lost.requests === undefined ? undefined : Math.max(shares.length, part(lost.requests)),
  };
  return sliceSpec(remaining, shares);
}

/** A part without a message would never end, so each has one from the largest share. */
function withoutZeros(shares: number[]): number[] {
  for (let n = shares.indexOf(0); n >= 0; n = shares.indexOf(0)) {
    const largest = Math.max(...shares);
    if (largest < 2) break;
    shares[shares.indexOf(largest)]!--;
    shares[n] = 1;
  }
  return shares;
}

/** Returns the stages from `elapsedMs` on; the first one reaches the level of that moment at once. */
function remainingStages(stages: readonly Stage[], elapsedMs: number, part: (total: number) => number): Stage[] {
  let from = 0;
  let startMs = 0;
  const rest: Stage[] = [];
  for (const { durationMs, target } of stages) {
    const endMs = startMs + durationMs;
    if (endMs > elapsedMs) {
      if (rest.length === 0) {
        const level = from + ((target - from) * Math.max(0, elapsedMs - startMs)) / durationMs;
        rest.push({ durationMs: 1, target: part(level) });
      }
      rest.push({ durationMs: endMs - Math.max(startMs, elapsedMs), target: part(target) });
    }
    from = target;
    startMs = endMs;
  }
  return rest.length > 0 ? rest : [{ durationMs: 1, target: part(from) }];
}
