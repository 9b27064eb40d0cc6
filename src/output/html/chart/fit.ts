// Draws measured points and their regression line, with its slope, error and quality of fit.

import type { FitEvidence } from "../../../results/lab/evidence.js";
import { html, type Markup } from "../markup.js";
import { areaOf, xAxis, yAxis, yGrid } from "./axes.js";
import { drawChart } from "./draw.js";
import { baseline, dots, line } from "./marks.js";
import { linear } from "./projection.js";
import { drawable, drawablePoint, formatWithUnit, greatestOf, leastOf, scaleAxis, singular } from "./scale.js";
import type { Point } from "./svg.js";

const HEIGHT = 340;
const MARGINS = { top: 34, right: 28, bottom: 46, left: 78 };

/** @returns legend, chart, and a description of the fit */
export function drawFit(id: string, fit: FitEvidence): Markup {
  const { slope, intercept } = fit;
  const points = fit.points.map(drawablePoint);
  if (points.length === 0) return html`<p class="muted">No values.</p>`;
  const end = greatestOf(points.map(([x]) => x));
  const x = scaleAxis(fit.x, end);
  const y = scaleAxis(fit.y, greatestOf(points.map(([, value]) => value)));
  const scale = ([a, b]: Point): Point => [a / x.divisor, b / y.divisor];
  const measured = points.map(scale);
  const fitted = [0, end].map((at) => scale([at, drawable(intercept + slope * at)]));
  const words = formatFit(fit);
  const chart = drawChart(
    { id, title: fit.title, description: `${points.length} points. ${words}` },
    (width, isNarrow) => {
      const area = areaOf(width, HEIGHT, MARGINS);
      const all = [...measured, ...fitted, [0, 0] as const];
      const span = (axis: 0 | 1) =>
        [leastOf(all.map((point) => point[axis])), greatestOf(all.map((point) => point[axis]))] as const;
      const across = linear(span(0), [area.left, area.right], { steps: isNarrow ? 4 : 8, isNice: true });
      const up = linear(span(1), [area.bottom, area.top], { steps: 5, isNice: true });
      const placed = (each: readonly Point[]) => each.map(([a, b]): Point => [across.at(a), up.at(b)]);
      const ring = { fill: "var(--paper)", stroke: "var(--c1)", "stroke-width": 2.25 };
      return {
        height: HEIGHT,
        marks: [
          yGrid(area, up),
          yAxis(area, up, y.label),
          xAxis(area, across, x.label, width),
          baseline(area, up.at(0)),
          line(placed(fitted), "var(--c2)", 2),
          dots(placed(measured), 5.5, ring),
        ],
      };
    },
  );
  return html`<ul class="legend"><li><i class="key dot c1"></i>measured</li><li><i class="key line c2"></i>least-squares line</li></ul>
${chart}
<p class="figures">${words}</p>`;
}

function formatFit({ x, y, slope, slopeError, intercept, r2 }: FitEvidence): string {
  const per = singular(x.unit === "" ? x.name : x.unit);
  const figures = [slope, slopeError, intercept].map((value) => formatWithUnit(value, y.unit));
  return `Slope ${figures[0]} per ${per}, standard error ${figures[1]}; intercept ${figures[2]}; R² ${r2 > 0.9999 && r2 < 1 ? "above 0.9999" : r2.toFixed(4)}.`;
}
