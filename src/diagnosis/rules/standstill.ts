// Explains failures of a client that did not run for a while. Its peers could not get an answer in that time, so what
// they did then says nothing about them.
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { chosenBy } from "./closed/loss-pattern.js";
import { countTroubles } from "./endings.js";
import { seen } from "./local-errors.js";

const FIX =
  "keep it running for the whole run: no SIGSTOP, debugger or frozen cgroup, enough CPU (cpu.max), and a machine that does not sleep";
/** Shorter standstills, as on a busy machine, are too short for a server to take a client for gone. */
const SILENCE_MS = 1000;
/** Minimum share of the failures and losses that a standstill has to account for. */
const MOST = 0.9;
/** Minimum share of latencies that determine the 99th percentile. */
const P99 = 0.01;

/**
 * @returns undefined if this process ran all the time, if most connections failed or ended at other times, if there
 *   were more error responses, or if there is evidence of another cause
 */
export function explainStandstill(result: ConnectResult): Finding | undefined {
  const { standstills, failed, lost, failures, losses, evidence } = result;
  if (!standstills || standstills.longestMs < SILENCE_MS || evidence.outage) return undefined;
  const meanwhile = standstills.cutOff + standstills.lost;
  if (meanwhile === 0 || meanwhile < MOST * countTroubles(result)) return undefined;
  // A server that has exited, or closes what exceeds its limit, would have done so anyway.
  const isGone = evidence.peer?.listeners.some(({ since }) => since !== "before" && since !== undefined) ?? false;
  if (isGone || evidence.peer?.listeners.length === 0 || chosenBy(result) === "newest") return undefined;
  const isLoss = standstills.lost >= standstills.cutOff;
  return {
    limit: "standstill",
    whose: "local",
    meaning: isLoss
      ? `${nameOf(result)} was not running for ${formatDuration(standstills.totalMs)}, and connections ended meanwhile: servers close those that are silent for too long`
      : `${nameOf(result)} was not running for ${formatDuration(standstills.totalMs)}, and handshakes failed meanwhile: it could not answer`,
    fix: FIX,
    evidence: [
      ...(isLoss ? losses : failures).map(seen),
      `${formatCount(meanwhile)} of ${formatCount(failed + lost)} failed or ended while it stood still`,
      describeStandstills(result, standstills),
    ],
  };
}

/** @returns undefined if no latency threshold was missed, or if standstills do not account for that */
export function explainStandstillLatency(result: ConnectResult): Finding | undefined {
  const { standstills, misses = [], latency } = result;
  if (!standstills || misses.some(({ kind }) => kind !== "latency")) return undefined;
  // The threshold is for round trips, or for connects if there are none.
  const [delayed, measured] =
    latency.roundTrip.count > 0
      ? [standstills.roundTrips, latency.roundTrip.count]
      : [standstills.connects, latency.connect.count];
  if (delayed < P99 * measured) return undefined;
  return {
    limit: "standstill",
    whose: "local",
    meaning: `${nameOf(result)} was not running for ${formatDuration(standstills.totalMs)}, which delayed answers that had arrived`,
    fix: FIX,
    evidence: [
      `${formatCount(delayed)} of ${formatCount(measured)} latencies include a time in which it stood still`,
      describeStandstills(result, standstills),
    ],
  };
}

/** Returns a note on times in which this process did not run. */
export function standstillNotes(result: ConnectResult): string[] {
  const { standstills } = result;
  return standstills ? [describeStandstills(result, standstills)] : [];
}

/** Names the process, which may be one of a fleet's agents. */
function nameOf({ fleet }: ConnectResult): string {
  return fleet ? "an agent" : "this process";
}

function describeStandstills(
  result: ConnectResult,
  { count, totalMs, longestMs }: NonNullable<ConnectResult["standstills"]>,
): string {
  const times = count === 1 ? "once" : `${formatCount(count)} times, ${formatDuration(longestMs)} at most`;
  return `${nameOf(result)} did not run for ${formatDuration(totalMs)} (${times}): it was stopped or frozen, got no CPU, or the machine slept`;
}
