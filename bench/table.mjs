// The benchmark on a terminal: a line a round, the table of peers, the list of measures. Pure functions of the figures.
import { formatFigure, formatPercent, formatRatio } from "./format.mjs";
import { OURS } from "./peers.mjs";

/** @typedef {import("./workloads.mjs").Workload} Workload */
/** @typedef {import("./summary.mjs").Summary} Summary */

// A core's share: an idle host's own services stay below.
const NOISE_WORTH_TELLING = 0.1;

/**
 * @param {Workload} workload
 * @param {any} outcome
 */
export function formatRound(workload, outcome) {
  const head = `  round ${outcome.round}  ${outcome.peer.padEnd(16)}`;
  if (outcome.error !== undefined) return `${head} FAILED: ${outcome.error}`;
  const headlines = comparedOf(workload).map(
    ([, metric]) => `${metric.label.trim()} ${write(metric, metric.of(outcome))}`,
  );
  const noise = outcome.foreignCpuSeconds / outcome.outsideSeconds;
  const notes = [
    ...(outcome.isUnfinished ? [`LEFT UNFINISHED with ${outcome.established} of ${outcome.asked}`] : []),
    ...(noise > NOISE_WORTH_TELLING ? [`NOISE: others used ${formatPercent(noise)} of a core`] : []),
  ];
  return `${head} ${[...headlines, ...notes].join(", ")}`;
}

/**
 * Peers side by side, then the ratios to the floor, then how ours stands to each of the others.
 *
 * @param {Workload} workload
 * @param {import("./peers.mjs").Peer[]} peers
 * @param {Summary} summary
 */
export function formatTable(workload, peers, summary) {
  const { name, title, metrics, floor } = workload;
  const shown = peers.map((peer) => peer.name).filter((peer) => summary[peer]);
  const rows = [["median (min–max)", ...shown]];
  for (const [key, metric] of Object.entries(metrics)) {
    const cells = shown.map((peer) => formatSpread(summary[peer].metrics[key], (value) => write(metric, value)));
    if (cells.some((cell) => cell !== "")) rows.push([metric.label, ...cells]);
  }
  const compared = comparedOf(workload);
  const ratio = (/** @type {string} */ key, /** @type {string} */ peer, /** @type {string} */ other) =>
    formatSpread(summary[peer]?.ratios[key]?.[other], formatRatio);
  for (const [key, { label }] of compared) {
    const cells = floor === undefined ? [] : shown.map((peer) => ratio(key, peer, floor));
    if (cells.some((cell) => cell !== "")) rows.push([`${label.trim()} ÷ ${floor}'s`, ...cells]);
  }
  const others = shown.filter((peer) => summary[OURS]?.ratios[compared[0]?.[0] ?? ""]?.[peer]);
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
 * @returns the metrics that are shown as ratios: those that say so, and those that are judged by one
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
  // Where all rounds agree, or there is one, there is no spread to show.
  if (rounds === 1 || format(min) === format(max)) return format(median);
  return `${format(median)} (${format(min)}–${format(max)})`;
}

/**
 * The first column to the left, the others to the right.
 *
 * @param {string[][]} rows
 */
function align(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const pad = (/** @type {string} */ cell, /** @type {number} */ column) =>
    column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]);
  return rows.map((row) => row.map(pad).join("   ").trimEnd()).join("\n");
}
