// Makes medians, spreads and ratios of the rounds. Ratios are taken within a round, between neighbours in time, so that
// a machine that is slower for a while slows both.
import { METRICS } from "./metrics.mjs";
import { FLOOR, GO } from "./peers.mjs";

/** @typedef {{ median: number, min: number, max: number, rounds: number }} Spread */
/** @typedef {Record<string, { metrics: Record<string, Spread>, ratios: Record<string, Record<string, Spread>> }>} Summary */

const COMPARED_WITH = [FLOOR, GO];
const COMPARED = ["ratePerSec", "rateWithSetupPerSec", "cpuUs", "rampCpuUs"];

/**
 * @param {import("./peers.mjs").Peer[]} peers
 * @param {any[]} rounds
 * @returns {Summary}
 */
export function summarize(peers, rounds) {
  const good = rounds.filter(({ error, established }) => error === undefined && established > 0);
  const metricOf = Object.fromEntries(METRICS.map(({ key, of }) => [key, of]));
  const of = (/** @type {string} */ name) => good.filter(({ peer }) => peer === name);
  const names = peers.map(({ name }) => name).filter((name) => of(name).length > 0);
  return Object.fromEntries(
    names.map((name) => {
      const metrics = Object.fromEntries(METRICS.map(({ key, of: compute }) => [key, spreadOf(of(name).map(compute))]));
      const others = COMPARED_WITH.filter(
        (other) => other !== name && names.includes(other) && hasCommonRound(of(name), of(other)),
      );
      const ratios = Object.fromEntries(
        COMPARED.map((key) => {
          const value = metricOf[key];
          const against = Object.fromEntries(
            others.map((other) => [other, spreadOf(ratiosOf(of(name), of(other), value))]),
          );
          return [key, against];
        }),
      );
      return [name, { metrics, ratios }];
    }),
  );
}

/**
 * @param {any[]} ours
 * @param {any[]} theirs
 */
function hasCommonRound(ours, theirs) {
  return ours.some((round) => theirs.some((other) => other.round === round.round));
}

/**
 * @param {any[]} ours
 * @param {any[]} theirs
 * @param {(round: any) => number} value
 */
function ratiosOf(ours, theirs, value) {
  return ours.flatMap((round) => {
    const other = theirs.find((candidate) => candidate.round === round.round);
    return other ? [value(round) / value(other)] : [];
  });
}

/**
 * @param {number[]} values
 * @returns {Spread}
 */
function spreadOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1], rounds: sorted.length };
}
