// Draws lines over a common axis, starting at zero. A single line is filled, and few points are also drawn as dots.

import type { SeriesEvidence } from "../../../results/lab/evidence.js";
import { html, type Markup } from "../markup.js";
import { areaOf, xAxis, yAxis, yGrid } from "./axes.js";
import { drawChart } from "./draw.js";
import { baseline, dots, filled, line, rules, texts } from "./marks.js";
import { linear, type Projection, type Range } from "./projection.js";
import { drawable, drawablePoint, greatestOf, leastOf, scaleAxis } from "./scale.js";
import type { Point } from "./svg.js";

const HEIGHT = 320;
const MARGINS = { top: 34, right: 28, bottom: 46, left: 78 };

/** Number of line colours defined by the page: --c1, --c2 and so on. */
const COLOURS = 6;
const FEW = 24;

export interface SeriesOptions {
  /** Times to mark on the horizontal axis, in its unit. */
  readonly moments?: readonly { readonly x: number; readonly name: string }[];
  /** Whether each value holds until the next one. */
  readonly isStepped?: boolean;
}

/** @returns legend and chart, or a sentence if there is nothing to draw */
export function drawSeries(id: string, of: SeriesEvidence, options: SeriesOptions = {}): Markup {
  const series = { ...of, lines: of.lines.map((line) => ({ ...line, points: line.points.map(drawablePoint) })) };
  const all = series.lines.flatMap(({ points }) => points);
  if (all.length === 0) return html`<p class="muted">No values.</p>`;
  const x = scaleAxis(series.x, greatestOf(all.map(([value]) => value)));
  const y = scaleAxis(series.y, greatestOf(all.map(([, value]) => value)));
  const scale = ([a, b]: Point): Point => [a / x.divisor, b / y.divisor];
  const lines = series.lines.map(({ points }, index) => ({ points: points.map(scale), colour: colourOf(index) }));
  const moments = (options.moments ?? []).map(({ x: at, name }) => ({ at: drawable(at) / x.divisor, name }));
  const chart = drawChart({ id, title: series.title, description: describe(series) }, (width, isNarrow) => {
    const area = areaOf(width, HEIGHT, MARGINS);
    const xs = [...all.map(([value]) => value / x.divisor), ...moments.map(({ at }) => at)];
    const span = [leastOf(xs), greatestOf(xs)] as const;
    const across = linear(span, [area.left, area.right], { steps: isNarrow ? 4 : 8, isNice: true });
    const ys = all.map(([, value]) => value / y.divisor);
    const up = upright(ys, series.y.unit, [area.bottom, area.top]);
    const foot = up.at(0);
    const placed = lines.map(({ points, colour }) => ({
      points: points.map(([a, b]): Point => [across.at(a), up.at(b)]),
      colour,
    }));
    const placedMoments = moments.map(({ at, name }) => ({ x: across.at(at), y: area.top - 14, text: name }));
    return {
      height: HEIGHT,
      marks: [
        yGrid(area, up),
        yAxis(area, up, y.label),
        xAxis(area, across, x.label, width),
        baseline(area, foot),
        placed.length === 1 ? filled(placed[0]!.points, foot, "var(--c1)", options.isStepped) : "",
        rules(
          placedMoments.map((moment) => [
            [moment.x, area.top],
            [moment.x, area.bottom],
          ]),
          { stroke: "var(--muted)", "stroke-dasharray": "2 4" },
        ),
        texts(placedMoments, { fill: "var(--muted)", "text-anchor": "middle" }),
        ...placed.map(({ points, colour }) => line(points, colour, 2.25, options.isStepped)),
        ...placed
          .filter(({ points }) => points.length <= FEW && !options.isStepped)
          .map(({ points, colour }) => dots(points, 3.5, { fill: colour })),
      ],
    };
  });
  return html`${series.lines.length > 1 ? legend(series.lines.map(({ name }) => name)) : undefined}${chart}`;
}

function legend(names: readonly string[]): Markup {
  return html`<ul class="legend">${names.map((name, index) => html`<li><i class="key line c${(index % COLOURS) + 1}"></i>${name}</li>`)}</ul>`;
}

/** Returns a vertical axis that includes zero. Amounts without a unit, such as connections, have integer ticks. */
function upright(values: readonly number[], unit: string, range: Range): Projection {
  const [least, greatest] = [Math.min(0, leastOf(values)), Math.max(0, greatestOf(values))];
  const steps = unit === "" ? Math.min(5, Math.max(1, greatest)) : 5;
  return linear(least === greatest ? [0, 1] : [least, greatest], range, { steps, isNice: true });
}

function colourOf(index: number): string {
  return `var(--c${(index % COLOURS) + 1})`;
}

function describe({ x, y, lines }: SeriesEvidence): string {
  const each = lines.map(({ name, points }) => {
    const values = points.map(([, value]) => value);
    if (values.length === 0) return `${name}: no values`;
    const figures = [values[0]!, values.at(-1)!, greatestOf(values)].map((value) => value.toLocaleString("en-US"));
    return `${name}: ${points.length} values, first ${figures[0]}, last ${figures[1]}, maximum ${figures[2]}`;
  });
  return `${y.name}${y.unit === "" ? "" : ` in ${y.unit}`} over ${x.name}. ${each.join("; ")}.`;
}
