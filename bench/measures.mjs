// The figures that are wanted, as data, and the verdict on those that were measured. A missed one is printed, and no
// failure: the machine may be another, or busy. They are meant for 2 cores, 24 GiB and a descriptor limit of 20,000.
import { formatBytes, formatNumber, formatPercent, formatRatio, formatSeconds } from "./format.mjs";
import { FLOOR, GO, OURS } from "./peers.mjs";

/**
 * @typedef {object} Measure
 * @property {string} text
 * @property {number} limit
 * @property {"at least" | "at most" | "under"} bound
 * @property {(value: number) => string} format
 * @property {(ours: import("./summary.mjs").Summary[string]) => number | undefined} of our summary
 */

const median =
  (/** @type {string} */ key) =>
  (/** @type {any} */ { metrics }) =>
    metrics[key].median;
const ratio =
  (/** @type {string} */ key, /** @type {string} */ other) =>
  (/** @type {any} */ { ratios }) =>
    ratios[key][other]?.median;
const worst =
  (/** @type {string[]} */ ...keys) =>
  (/** @type {any} */ { metrics }) =>
    Math.max(...keys.map((key) => metrics[key].median));

/** @type {Record<string, Measure[]>} */
const WANTED = {
  "19k": [
    {
      text: "rate of the ramp ÷ the C floor's",
      bound: "at least",
      limit: 0.95,
      format: formatRatio,
      of: ratio("ratePerSec", FLOOR),
    },
    {
      text: "rate of the ramp ÷ Go's",
      bound: "at least",
      limit: 1.4,
      format: formatRatio,
      of: ratio("ratePerSec", GO),
    },
  ],
  "190k": [
    {
      text: "time to open, with thread start",
      bound: "at most",
      limit: 10,
      format: formatSeconds,
      of: median("openSeconds"),
    },
  ],
  "1m": [
    {
      text: "connections/s, with thread start",
      bound: "at least",
      limit: 25_000,
      format: formatNumber,
      of: median("rateWithSetupPerSec"),
    },
    {
      text: "memory per connection, whole system (MemAvailable)",
      bound: "at most",
      limit: 7000,
      format: formatBytes,
      of: median("systemBytes"),
    },
    {
      text: "RSS per connection, the larger side",
      bound: "at most",
      limit: 350,
      format: formatBytes,
      of: worst("clientRssBytes", "serverRssBytes"),
    },
    {
      text: "CPU while holding, the busier side",
      bound: "under",
      limit: 0.01,
      format: formatPercent,
      of: worst("clientIdleShare", "serverIdleShare"),
    },
    { text: "teardown", bound: "under", limit: 20, format: formatSeconds, of: median("teardownSeconds") },
    { text: "TIME_WAIT left", bound: "at most", limit: 0, format: formatNumber, of: median("timeWaitLeft") },
  ],
  "2m": [
    { text: "connections failed or lost", bound: "at most", limit: 0, format: formatNumber, of: median("failed") },
  ],
};

/**
 * @param {import("./scales.mjs").Scale} scale
 * @param {import("./summary.mjs").Summary} summary
 */
export function judge(scale, summary) {
  const ours = summary[OURS];
  return (WANTED[scale.name] ?? []).map(({ text, bound, limit, format, of }) => {
    const value = ours ? of(ours) : undefined;
    const verdict = value === undefined ? "not measured" : isMet(value, bound, limit) ? "met" : "missed";
    return {
      text,
      bound,
      limit,
      value,
      verdict,
      measured: value === undefined ? "-" : format(value),
      wanted: `${bound} ${format(limit)}`,
    };
  });
}

/**
 * @param {number} value
 * @param {Measure["bound"]} bound
 * @param {number} limit
 */
function isMet(value, bound, limit) {
  if (bound === "at least") return value >= limit;
  return bound === "at most" ? value <= limit : value < limit;
}
