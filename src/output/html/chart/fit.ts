// Measured points and the straight line through them, with what the line says: the slope, its error, how well it fits.

import * as Plot from "@observablehq/plot";
import type { FitEvidence } from "../../../results/lab/evidence.js";
import { html, type Markup } from "../markup.js";
import { drawChart } from "./draw.js";
import { drawable, drawablePoint, formatWithUnit, greatestOf, scaleAxis, singular } from "./scale.js";

/** @returns legend, chart, and the fit in words */
export function drawFit(id: string, fit: FitEvidence): Markup {
  const { slope, intercept } = fit;
  const points = fit.points.map(drawablePoint);
  if (points.length === 0) return html`<p class="muted">No values.</p>`;
  const end = greatestOf(points.map(([x]) => x));
  const x = scaleAxis(fit.x, end);
  const y = scaleAxis(fit.y, greatestOf(points.map(([, value]) => value)));
  const scale = ([a, b]: readonly [number, number]) => [a / x.divisor, b / y.divisor] as [number, number];
  const line = [0, end].map((at) => scale([at, drawable(intercept + slope * at)]));
  const words = formatFit(fit);
  const chart = drawChart({ id, title: fit.title, description: `${points.length} points. ${words}` }, (isNarrow) => ({
    height: 340,
    marginTop: 34,
    marginLeft: 78,
    marginBottom: 46,
    marginRight: 28,
    x: { label: x.label, labelArrow: "none", zero: true, nice: true, ticks: isNarrow ? 4 : 8 },
    y: { label: y.label, labelArrow: "none", grid: true, zero: true, nice: true, ticks: 5 },
    marks: [
      Plot.ruleY([0], { stroke: "var(--edge)" }),
      Plot.lineY(line, { x: "0", y: "1", stroke: "var(--c2)", strokeWidth: 2 }),
      Plot.dot(points.map(scale), {
        x: "0",
        y: "1",
        fill: "var(--paper)",
        stroke: "var(--c1)",
        strokeWidth: 2.25,
        r: 5.5,
      }),
    ],
  }));
  return html`<ul class="legend"><li><i class="key dot c1"></i>measured</li><li><i class="key line c2"></i>least squares</li></ul>
${chart}
<p class="figures">${words}</p>`;
}

function formatFit({ x, y, slope, slopeError, intercept, r2 }: FitEvidence): string {
  const per = singular(x.unit === "" ? x.name : x.unit);
  const figures = [slope, slopeError, intercept].map((value) => formatWithUnit(value, y.unit));
  return `Slope ${figures[0]} per ${per}, standard error ${figures[1]}; intercept ${figures[2]}; R² ${r2 > 0.9999 && r2 < 1 ? "above 0.9999" : r2.toFixed(4)}.`;
}
