// Lines over a common axis, from zero upwards; a single line is filled. Few points are dots, too.

import * as Plot from "@observablehq/plot";
import type { SeriesEvidence } from "../../../results/lab/evidence.js";
import { html, type Markup } from "../markup.js";
import { drawChart } from "./draw.js";
import { drawable, drawablePoint, greatestOf, scaleAxis } from "./scale.js";

/** Colours that the page names: --c1, --c2, … */
const COLOURS = 6;
const FEW = 24;

export interface SeriesOptions {
  /** Moments that are marked on the horizontal axis, in its unit. */
  readonly moments?: readonly { readonly x: number; readonly name: string }[];
  /** Each value holds until the next. */
  readonly isStepped?: boolean;
}

/** @returns legend and chart; a sentence when there is nothing to draw */
export function drawSeries(id: string, of: SeriesEvidence, options: SeriesOptions = {}): Markup {
  const series = { ...of, lines: of.lines.map((line) => ({ ...line, points: line.points.map(drawablePoint) })) };
  const all = series.lines.flatMap(({ points }) => points);
  if (all.length === 0) return html`<p class="muted">No values.</p>`;
  const x = scaleAxis(series.x, greatestOf(all.map(([value]) => value)));
  const greatest = greatestOf(all.map(([, value]) => value));
  const y = scaleAxis(series.y, greatest);
  const top = greatest / y.divisor;
  const scale = ([a, b]: readonly [number, number]) => [a / x.divisor, b / y.divisor] as [number, number];
  const lines = series.lines.map(({ points }, index) => ({ points: points.map(scale), colour: colourOf(index) }));
  const curve = options.isStepped ? "step-after" : "linear";
  const moments = (options.moments ?? []).map(({ x: at, name }) => ({ at: drawable(at) / x.divisor, name }));
  const chart = drawChart({ id, title: series.title, description: describe(series) }, (isNarrow) => ({
    height: 320,
    marginTop: 34,
    marginLeft: 78,
    marginBottom: 46,
    marginRight: 28,
    x: { label: x.label, labelArrow: "none", ticks: isNarrow ? 4 : 8, nice: true },
    y: { label: y.label, labelArrow: "none", grid: true, nice: true, ...verticalScale(top, series.y.unit) },
    marks: [
      Plot.ruleY([0], { stroke: "var(--edge)" }),
      lines.length === 1
        ? Plot.areaY(lines[0]!.points, { x: "0", y: "1", curve, fill: "var(--c1)", fillOpacity: 0.13 })
        : null,
      Plot.ruleX(moments, { x: "at", stroke: "var(--muted)", strokeDasharray: "2 4" }),
      Plot.text(moments, { x: "at", text: "name", frameAnchor: "top", dy: -14, fill: "var(--muted)" }),
      ...lines.map(({ points, colour }) =>
        Plot.lineY(points, { x: "0", y: "1", curve, stroke: colour, strokeWidth: 2.25 }),
      ),
      ...lines
        .filter(({ points }) => points.length <= FEW && !options.isStepped)
        .map(({ points, colour }) => Plot.dot(points, { x: "0", y: "1", fill: colour, r: 3.5 })),
    ],
  }));
  return html`${series.lines.length > 1 ? legend(series.lines.map(({ name }) => name)) : undefined}${chart}`;
}

function legend(names: readonly string[]): Markup {
  return html`<ul class="legend">${names.map((name, index) => html`<li><i class="key line c${(index % COLOURS) + 1}"></i>${name}</li>`)}</ul>`;
}

/** From zero on; amounts without a unit, such as connections, are whole. */
function verticalScale(top: number, unit: string) {
  const ticks = unit === "" ? Math.min(5, Math.max(1, top)) : 5;
  return top > 0 ? { zero: true, ticks } : { domain: [0, 1], ticks };
}

function colourOf(index: number): string {
  return `var(--c${(index % COLOURS) + 1})`;
}

function describe({ x, y, lines }: SeriesEvidence): string {
  const each = lines.map(({ name, points }) => {
    const values = points.map(([, value]) => value);
    if (values.length === 0) return `${name}: no values`;
    const figures = [values[0]!, values.at(-1)!, greatestOf(values)].map((value) => value.toLocaleString("en-US"));
    return `${name}: ${points.length} values, the first ${figures[0]}, the last ${figures[1]}, the greatest ${figures[2]}`;
  });
  return `${y.name}${y.unit === "" ? "" : ` in ${y.unit}`} over ${x.name}. ${each.join("; ")}.`;
}
