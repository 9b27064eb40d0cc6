// Latencies on a log axis: a dot for the median, ever thinner lines to p90, p99, p99.9 and the longest; the figures below.

import * as Plot from "@observablehq/plot";
import type { LatencySummary } from "../../../results/histogram/latency-summary.js";
import type { LatencyEvidence } from "../../../results/lab/evidence.js";
import { formatCount, formatDuration } from "../../../util/units.js";
import { html, type Markup } from "../markup.js";
import { drawChart } from "./draw.js";
import { drawable, logDomain, logTicks } from "./scale.js";

const ROW_HEIGHT = 54;
const NARROW_TICKS = 5;
/** From one percentile to the next, by the width of the line. */
const SPANS = [
  { from: "p50Us", to: "p90Us", width: 12 },
  { from: "p90Us", to: "p99Us", width: 7 },
  { from: "p99Us", to: "p999Us", width: 3.5 },
] as const;
const FIGURES = [
  ["min", "minUs"],
  ["mean", "meanUs"],
  ["p50", "p50Us"],
  ["p90", "p90Us"],
  ["p99", "p99Us"],
  ["p99.9", "p999Us"],
  ["max", "maxUs"],
] as const;

/** @returns legend, chart and table; a sentence when nothing was measured */
export function drawLatency(id: string, { title, rows: all }: LatencyEvidence): Markup {
  const rows = all
    .filter(({ summary }) => summary.count > 0)
    .map(({ name, summary }) => ({ name, ...atLeast1(summary) }));
  const drawn = rows.map(({ name, ...summary }) => ({ name, ...onAxis(summary) }));
  if (rows.length === 0) return html`<p class="muted">Nothing was measured.</p>`;
  const domain = logDomain(drawn.flatMap(({ minUs, maxUs }) => [minUs, maxUs]));
  const ticks = logTicks(domain);
  const description = rows.map(
    ({ name, p50Us, p99Us, maxUs }) => `${name}: median ${say(p50Us)}, p99 ${say(p99Us)}, longest ${say(maxUs)}`,
  );
  const chart = drawChart({ id, title, description: `${description.join("; ")}.` }, (isNarrow) => ({
    height: 60 + rows.length * ROW_HEIGHT,
    marginTop: 8,
    marginLeft: 14,
    marginRight: 30,
    marginBottom: 46,
    x: { type: "log", domain, axis: null },
    y: { type: "band", domain: rows.map(({ name }) => name), axis: null },
    marks: [
      Plot.gridX(ticks),
      // Its own tickFormat would leave out every 5 of a log axis.
      Plot.axisX(isNarrow ? fewOf(ticks) : ticks, { text: tick, label: "latency (log axis)", labelArrow: "none" }),
      Plot.ruleY(drawn, { y: "name", x1: "minUs", x2: "maxUs", stroke: "var(--c1)", strokeWidth: 1.25, dy: 8 }),
      ...SPANS.map(({ from, to, width }) =>
        Plot.ruleY(drawn, { y: "name", x1: from, x2: to, stroke: "var(--c1)", strokeWidth: width, dy: 8 }),
      ),
      Plot.tickX(drawn, {
        y: "name",
        x: "maxUs",
        stroke: "var(--c1)",
        strokeWidth: 1.5,
        insetTop: 27,
        insetBottom: 11,
      }),
      Plot.dot(drawn, {
        y: "name",
        x: "p50Us",
        r: 7,
        fill: "var(--paper)",
        stroke: "var(--c2)",
        strokeWidth: 3,
        dy: 8,
      }),
      Plot.text(drawn, {
        y: "name",
        frameAnchor: "left",
        text: "name",
        dy: -14,
        fontWeight: 600,
        fill: "var(--ink)",
        stroke: "var(--paper)",
        strokeWidth: 5,
      }),
    ],
  }));
  return html`<ul class="legend"><li><i class="key dot c2"></i>median</li><li><i class="key span w12"></i>to p90</li><li><i class="key span w7"></i>to p99</li><li><i class="key span w3"></i>to p99.9</li><li><i class="key span w1"></i>shortest to longest</li></ul>
${chart}
<div class="scroll"><table><caption class="hidden">${title}: figures</caption>
<thead><tr><th scope="col">latency of</th><th scope="col" class="number">count</th>${FIGURES.map(([name]) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr><th scope="row">${row.name}</th><td data-label="count" class="number">${formatCount(row.count)}</td>${FIGURES.map(([name, key]) => html`<td data-label="${name}" class="number">${say(row[key])}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** A log axis has no 0: what is shorter than a microsecond is drawn as one. */
function atLeast1(summary: LatencySummary): LatencySummary {
  return { ...summary, minUs: Math.max(1, summary.minUs), p50Us: Math.max(1, summary.p50Us) };
}

/** Every value where the axis has a place for it. */
function onAxis(summary: LatencySummary): LatencySummary {
  const at = (us: number) => Math.max(1, drawable(us));
  const { minUs, meanUs, p50Us, p90Us, p99Us, p999Us, maxUs } = summary;
  return {
    ...summary,
    ...{ minUs: at(minUs), meanUs: at(meanUs), p50Us: at(p50Us), p90Us: at(p90Us) },
    ...{ p99Us: at(p99Us), p999Us: at(p999Us), maxUs: at(maxUs) },
  };
}

/** For a narrow axis: its ends and some between. */
function fewOf(ticks: readonly number[]): number[] {
  const step = Math.ceil(ticks.length / NARROW_TICKS);
  return ticks.filter((_, index) => index % step === 0);
}

function say(us: number): string {
  return formatDuration(us / 1000);
}

function tick(us: number): string {
  if (us < 1000) return `${us} µs`;
  return us < 1e6 ? `${us / 1e3} ms` : `${us / 1e6} s`;
}
