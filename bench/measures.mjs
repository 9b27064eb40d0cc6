// Judges the figures against the targets of fourtuple. A missed target is printed but is not a failure, because the
// machine may differ or be busy.

import { OURS } from "./contenders.mjs";
import { formatFigure, formatRatio } from "./format.mjs";

/**
 * @typedef {object} Measure
 * @property {string} title
 * @property {{ atLeast: number } | { atMost: number } | { under: number }} wanted
 * @property {{ metric: string, against?: string, contender?: string }} of median of a metric, or its ratio to that of
 *   another contender; of fourtuple unless a contender is named
 * @property {(machine: { nofileHard: number }) => string | undefined} [obstacle] returns why it does not apply to this
 *   machine
 */

const WORDS = { atLeast: "at least", atMost: "at most", under: "under" };

/**
 * @param {import("./workloads.mjs").Workload} workload
 * @param {import("./summary.mjs").Summary} summary
 * @param {{ machine: { nofileHard: number }, isSmaller: boolean, unfinished: Set<string>, failed: string[] }}
 *   conditions whether the run is smaller than the measures assume; contenders left unfinished, whose rate so far
 *   exceeds that of the whole; the contender of each failed round
 */
export function judge(workload, summary, { machine, isSmaller, unfinished, failed }) {
  return (workload.measures ?? []).map(({ title, wanted, of: { metric, against, contender = OURS }, obstacle }) => {
    const ours = summary[contender];
    const value = (against === undefined ? ours?.metrics[metric] : ours?.ratios[metric]?.[against])?.median;
    const [bound, limit] = /** @type {[keyof typeof WORDS, number]} */ (Object.entries(wanted)[0]);
    const format = against === undefined ? (workload.metrics[metric]?.format ?? formatFigure) : formatRatio;
    const reason = obstacle?.(machine) ?? (value === undefined ? "not measured" : undefined);
    const isLowerBound = against !== undefined && unfinished.has(against);
    const missed = isLowerBound ? `not decided: ${against} was stopped early` : "missed";
    const lost = failed.filter((name) => name === contender || name === against).length;
    // The successful rounds may not be representative.
    const met = lost === 0 ? "met" : `not decided: ${lost} ${lost === 1 ? "round" : "rounds"} failed`;
    const verdict = reason ?? (isSmaller ? "not judged: fewer connections" : isMet(value, bound, limit) ? met : missed);
    return {
      title,
      bound,
      limit,
      value,
      verdict,
      measured: value === undefined ? "-" : `${isLowerBound ? "at least " : ""}${format(value)}`,
      wanted: `${WORDS[bound]} ${format(limit)}`,
    };
  });
}

/**
 * @param {number} value
 * @param {keyof typeof WORDS} bound
 * @param {number} limit
 */
function isMet(value, bound, limit) {
  if (bound === "atLeast") return value >= limit;
  return bound === "atMost" ? value <= limit : value < limit;
}
