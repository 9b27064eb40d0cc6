// Formats the benchmark for a terminal: a line per round, the table of contenders, and the list of measures. All
// are pure functions of the figures.

import { C_URING, OURS } from "./contenders.mjs";
import { formatFigure, formatPercent, formatRatio } from "./format.mjs";

/** @typedef {import("./workloads.mjs").Workload} Workload */
/** @typedef {import("./summary.mjs").Summary} Summary */

// Share of one core. Services of an idle host stay below it.
const NOISE_WORTH_TELLING = 0.1;

/**
 * @param {Workload} workload
 * @param {any} outcome
 */
export function formatRound(workload, outcome) {
  const head = `  round ${outcome.round}  ${outcome.contender.padEnd(16)}`;
  if (outcome.error !== undefined) return `${head} FAILED: ${outcome.error}`;
  const headlines = comparedOf(workload).map(
    ([, metric]) => `${metric.label.trim()} ${write(metric, metric.of(outcome))}`,
  );
  const noise = outcome.foreignCpuSeconds / outcome.outsideSeconds;
  const notes = [
    ...(outcome.isUnfinished ? [`LEFT UNFINISHED with ${outcome.established} of ${outcome.requested}`] : []),
    ...(noise > NOISE_WORTH_TELLING ? [`NOISE: others used ${formatPercent(noise)} of a core`] : []),
  ];
  return `${head} ${[...headlines, ...notes].join(", ")}`;
}

/**
 * Formats the contenders side by side, then their ratios to the baseline and to C with io_uring, then the ratios of
 * fourtuple to each of the others.
 *
 * @param {Workload} workload
 * @param {import("./contenders.mjs").Contender[]} contenders
 * @param {Summary} summary
 */
export function formatTable(workload, contenders, summary) {
  const { name, title, metrics, baseline } = workload;
  const shown = contenders.map((contender) => contender.name).filter((contender) => summary[contender]);
  const rows = [["median (min–max)", ...shown]];
  for (const [key, metric] of Object.entries(metrics)) {
    const cells = shown.map((contender) =>
      formatSpread(summary[contender].metrics[key], (value) => write(metric, value)),
    );
    if (cells.some((cell) => cell !== "")) rows.push([metric.label, ...cells]);
  }
  const compared = comparedOf(workload);
  const ratio = (/** @type {string} */ key, /** @type {string} */ contender, /** @type {string} */ other) =>
    formatSpread(summary[contender]?.ratios[key]?.[other], formatRatio);
  const floors = shown.filter((name) => name === baseline || name.split("@")[0] === C_URING);
  for (const floor of floors) {
    for (const [key, { label }] of compared) {
      const cells = shown.map((contender) => ratio(key, contender, floor));
      if (cells.some((cell) => cell !== "")) rows.push([`${label.trim()} ÷ ${floor}'s`, ...cells]);
    }
  }
  const others = shown.filter((contender) => summary[OURS]?.ratios[compared[0]?.[0] ?? ""]?.[contender]);
  const against = [
    [`${OURS} ÷`, ...others],
    ...compared.map(([key, { label }]) => [label.trim(), ...others.map((other) => ratio(key, OURS, other))]),
  ];
  return `${name}: ${title}\n${align(rows)}${others.length > 1 ? `\n\n${align(against)}` : ""}`;
}

/** @param {ReturnType<typeof import("./measures.mjs").judge>} measures */
export function formatMeasures(measures) {
  return align([
    ["wanted of fourtuple", "", "measured", ""],
    ...measures.map(({ title, wanted, measured, verdict }) => [title, wanted, measured, verdict]),
  ]);
}

/**
 * @param {Workload} workload
 * @returns the metrics shown as ratios: those marked as compared, and those judged by a ratio
 */
function comparedOf({ metrics, measures = [] }) {
  const judged = measures.flatMap(({ of: { metric, against } }) => (against === undefined ? [] : [metric]));
  return Object.entries(metrics).filter(([key, { isCompared }]) => isCompared || judged.includes(key));
}

/**
 * @param {import("./workloads.mjs").Metric} metric
 * @param {number} value
 */
function write({ format = formatFigure }, value) {
  return format(value);
}

/**
 * @param {import("./summary.mjs").Spread | undefined} spread
 * @param {(value: number) => string} format
 */
function formatSpread(spread, format) {
  if (spread === undefined) return "";
  const { median, min, max, rounds } = spread;
  // If there is only one round, or all rounds agree, there is no spread to show.
  if (rounds === 1 || format(min) === format(max)) return format(median);
  return `${format(median)} (${format(min)}–${format(max)})`;
}

/**
 * Aligns the first column to the left and the others to the right.
 *
 * @param {string[][]} rows
 */
function align(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const pad = (/** @type {string} */ cell, /** @type {number} */ column) =>
    column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]);
  return rows.map((row) => row.map(pad).join("   ").trimEnd()).join("\n");
}
