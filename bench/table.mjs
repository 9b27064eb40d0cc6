// The benchmark on a terminal: a line a round, the table of peers, the list of measures. Pure functions of the figures.
import { formatNumber, formatPercent, formatRatio } from "./format.mjs";
import { METRICS } from "./metrics.mjs";
import { failureOf } from "./round.mjs";

// A core's share: an idle host's own services stay below.
const NOISE_WORTH_TELLING = 0.1;

/** @param {any} outcome */
export function formatRound(outcome) {
  const head = `  round ${outcome.round}  ${outcome.peer.padEnd(10)}`;
  const failure = failureOf(outcome);
  if (outcome.error !== undefined || !(outcome.established > 0)) return `${head} FAILED: ${failure}`;
  const { established, seconds, setupSeconds, kernelEstablished, teardownSeconds } = outcome;
  const setup = setupSeconds === undefined ? "" : ` (+ ${setupSeconds.toFixed(3)} s thread start)`;
  let text = `${head} ${formatNumber(established)} in ${seconds.toFixed(3)} s${setup}, ${formatNumber(established / seconds)}/s, kernel ${formatNumber(kernelEstablished.sockets)}, teardown ${teardownSeconds.toFixed(2)} s`;
  const { foreignCpuSeconds, outsideSeconds } = outcome;
  const noise = foreignCpuSeconds / outsideSeconds;
  if (noise > NOISE_WORTH_TELLING) text += `, NOISE: others used ${formatPercent(noise)} of a core`;
  return failure === undefined ? text : `${text}  FAILED: ${failure}`;
}

/**
 * @param {import("./scales.mjs").Scale} scale
 * @param {import("./peers.mjs").Peer[]} peers
 * @param {import("./summary.mjs").Summary} summary
 */
export function formatTable(scale, peers, summary) {
  const shown = peers.map(({ name }) => name).filter((name) => summary[name]);
  const rows = [["median (min–max)", ...shown]];
  for (const { key, label, format } of METRICS) {
    rows.push([label, ...shown.map((name) => formatSpread(summary[name].metrics[key], format))]);
  }
  for (const [key, label] of [
    ["ratePerSec", "rate of the ramp"],
    ["rateWithSetupPerSec", "rate with thread start"],
    ["cpuUs", "CPU, both"],
    ["rampCpuUs", "CPU from the word to begin on"],
  ]) {
    for (const other of shown) {
      const cells = shown.map((name) => formatSpread(summary[name].ratios[key]?.[other], formatRatio));
      if (cells.some((cell) => cell !== "")) rows.push([`${label} ÷ ${other}`, ...cells]);
    }
  }
  return `${scale.title}\n${align(rows)}`;
}

/** @param {ReturnType<typeof import("./measures.mjs").judge>} measures */
export function formatMeasures(measures) {
  return align([
    ["wanted of fourtuple", "", "measured", ""],
    ...measures.map(({ text, wanted, measured, verdict }) => [text, wanted, measured, verdict]),
  ]);
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
