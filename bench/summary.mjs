// Computes medians, spreads and ratios of the rounds. Ratios are taken within a round, between neighbours in time, so
// that a temporary slowdown of the machine affects both.

/** @typedef {{ median: number, min: number, max: number, rounds: number }} Spread */
/**
 * Metrics by contender, and their ratios to those of every other contender that shares a round with it.
 *
 * @typedef {Record<string, { metrics: Record<string, Spread>, ratios: Record<string, Record<string, Spread>> }>}
 *   Summary
 */

/**
 * @param {import("./workloads.mjs").Workload} workload
 * @param {import("./contenders.mjs").Contender[]} contenders
 * @param {any[]} rounds
 * @returns {Summary}
 */
export function summarize({ metrics }, contenders, rounds) {
  const good = rounds.filter(({ error }) => error === undefined);
  const of = (/** @type {string} */ name) => good.filter(({ contender }) => contender === name);
  const names = contenders.map(({ name }) => name).filter((name) => of(name).length > 0);
  // The harness itself is not a competitor.
  const rivals = contenders.filter(({ opensNothing }) => !opensNothing).map(({ name }) => name);
  return Object.fromEntries(
    names.map((name) => {
      const others = rivals.filter((other) => other !== name && names.includes(other) && rivals.includes(name));
      const spreads = mapValues(metrics, ({ of: compute }) => spreadOf(of(name).map(compute)));
      const ratios = mapValues(metrics, ({ of: compute }) =>
        compact(others.map((other) => [other, spreadOf(ratiosOf(of(name), of(other), compute))])),
      );
      return [name, { metrics: compact(Object.entries(spreads)), ratios }];
    }),
  );
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
 * @returns {Spread | undefined} undefined if no value is finite
 */
function spreadOf(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1], rounds: sorted.length };
}

/**
 * @template A, B
 * @param {Record<string, A>} record
 * @param {(value: A) => B} map
 * @returns {Record<string, B>}
 */
function mapValues(record, map) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/**
 * @param {[string, Spread | undefined][]} entries
 * @returns {Record<string, Spread>}
 */
function compact(entries) {
  return /** @type {any} */ (Object.fromEntries(entries.filter(([, spread]) => spread !== undefined)));
}
