// Draws latencies on a log axis, as a dot for the median and ever thinner lines to p90, p99, p99.9 and the maximum. A
// table follows.

import type { LatencySummary } from "../../../results/histogram/latency-summary.js";
import type { LatencyEvidence } from "../../../results/lab/evidence.js";
import { formatCount, formatDuration } from "../../../util/units.js";
import { html, type Markup } from "../markup.js";
import { areaOf, xAxis, xGrid } from "./axes.js";
import { drawChart } from "./draw.js";
import { dots, HALO, rules, texts } from "./marks.js";
import { logarithmic } from "./projection.js";
import { drawable, logDomain, logTicks } from "./scale.js";

const ROW_HEIGHT = 54;
/** Distance from the top of a row to the middle of its name and of its lines. */
const NAME_DOWN = 16;
const LINE_DOWN = 38;
const MARGINS = { top: 8, right: 30, bottom: 46, left: 14 };
const NARROW_TICKS = 5;
/** Line widths between percentiles. */
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

type LatencyKey = (typeof FIGURES)[number][1];

/**
 * @param isBound whether a latency is only a lower bound, because something had not ended yet
 * @returns legend, chart and table, or a sentence if nothing was measured
 */
export function drawLatency(
  id: string,
  { title, rows: all }: LatencyEvidence,
  isBound: (name: string, us: number) => boolean = () => false,
): Markup {
  const rows = all
    .filter(({ summary }) => summary.count > 0)
    .map(({ name, summary }) => ({ name, ...atLeast1(summary) }));
  const drawn = rows.map(({ name, ...summary }) => ({ name, ...onAxis(summary) }));
  if (rows.length === 0) return html`<p class="muted">No latencies were measured.</p>`;
  const domain = logDomain(drawn.flatMap(({ minUs, maxUs }) => [minUs, maxUs]));
  const ticks = logTicks(domain);
  const description = rows.map(
    ({ name, p50Us, p99Us, maxUs }) =>
      `${name}: median ${formatUs(p50Us)}, p99 ${formatUs(p99Us)}, longest ${formatUs(maxUs)}`,
  );
  const chart = drawChart({ id, title, description: `${description.join("; ")}.` }, (width, isNarrow) => {
    const height = 60 + rows.length * ROW_HEIGHT;
    const area = areaOf(width, height, MARGINS);
    const range = [area.left, area.right] as const;
    const labelled = logarithmic(domain, range, isNarrow ? fewOf(ticks) : ticks, tick);
    const placed = drawn.map((row, index) => ({ ...row, top: area.top + index * ROW_HEIGHT }));
    const { at } = labelled;
    const span = (from: LatencyKey, to: LatencyKey, strokeWidth: number) =>
      rules(
        placed.map((row) => [
          [at(row[from]), row.top + LINE_DOWN],
          [at(row[to]), row.top + LINE_DOWN],
        ]),
        { stroke: "var(--c1)", "stroke-width": strokeWidth },
      );
    return {
      height,
      marks: [
        xGrid(area, logarithmic(domain, range, ticks, tick)),
        xAxis(area, labelled, "latency (log axis)", width),
        span("minUs", "maxUs", 1.25),
        ...SPANS.map(({ from, to, width: strokeWidth }) => span(from, to, strokeWidth)),
        rules(
          placed.map((row) => [
            [at(row.maxUs), row.top + LINE_DOWN - 5.5],
            [at(row.maxUs), row.top + LINE_DOWN + 5.5],
          ]),
          { stroke: "var(--c1)", "stroke-width": 1.5 },
        ),
        dots(
          placed.map((row) => [at(row.p50Us), row.top + LINE_DOWN]),
          7,
          { fill: "var(--paper)", stroke: "var(--c2)", "stroke-width": 3 },
        ),
        texts(
          placed.map((row) => ({ x: area.left, y: row.top + NAME_DOWN, text: row.name })),
          { ...HALO, "font-weight": 600, fill: "var(--ink)" },
        ),
      ],
    };
  });
  return html`<ul class="legend"><li><i class="key dot c2"></i>median</li><li><i class="key span w12"></i>up to p90</li><li><i class="key span w7"></i>up to p99</li><li><i class="key span w3"></i>up to p99.9</li><li><i class="key span w1"></i>minimum to maximum</li></ul>
${chart}
<div class="scroll"><table><caption class="hidden">${title}: figures</caption>
<thead><tr><th scope="col">latency of</th><th scope="col" class="number">count</th>${FIGURES.map(([name]) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr><th scope="row">${row.name}</th><td data-label="count" class="number">${formatCount(row.count)}</td>${FIGURES.map(([name, key]) => html`<td data-label="${name}" class="number">${key !== "minUs" && isBound(row.name, row[key]) ? "≥ " : ""}${formatUs(row[key])}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** Draws latencies below a microsecond as a microsecond, because a log axis has no 0. */
function atLeast1(summary: LatencySummary): LatencySummary {
  return { ...summary, minUs: Math.max(1, summary.minUs), p50Us: Math.max(1, summary.p50Us) };
}

/** Clamps every value to what the axis can show. */
function onAxis(summary: LatencySummary): LatencySummary {
  const at = (us: number) => Math.max(1, drawable(us));
  const { minUs, meanUs, p50Us, p90Us, p99Us, p999Us, maxUs } = summary;
  return {
    ...summary,
    ...{ minUs: at(minUs), meanUs: at(meanUs), p50Us: at(p50Us), p90Us: at(p90Us) },
    ...{ p99Us: at(p99Us), p999Us: at(p999Us), maxUs: at(maxUs) },
  };
}

/** Selects a few ticks for a narrow axis. */
function fewOf(ticks: readonly number[]): number[] {
  const step = Math.ceil(ticks.length / NARROW_TICKS);
  return ticks.filter((_, index) => index % step === 0);
}

function formatUs(us: number): string {
  return formatDuration(us / 1000);
}

function tick(us: number): string {
  if (us < 1000) return `${us} µs`;
  return us < 1e6 ? `${us / 1e3} ms` : `${us / 1e6} s`;
}
