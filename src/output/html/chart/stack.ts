// Draws stacked bars, such as the memory of a connection by owner, on an axis that starts at zero.
import type { StackEvidence } from "../../../results/lab/evidence.js";
import { html, type Markup } from "../markup.js";
import { areaOf, xAxis, xGrid } from "./axes.js";
import { drawChart } from "./draw.js";
import { bars, HALO, texts } from "./marks.js";
import { linear } from "./projection.js";
import { drawable, formatWithUnit, greatestOf, scaleAxis } from "./scale.js";

/** Height of a row, which has a name above a bar. */
const ROW_HEIGHT = 46;
const NAME_DOWN = 13;
const BAR_DOWN = 24;
const BAR_HEIGHT = 14;
const LETTER = 7.4;
/** Number of colours defined by the page: --c1, --c2 and so on. */
const COLOURS = 6;

/** @returns legend and chart, or a sentence if there is nothing to draw */
export function drawStack(id: string, { title, x, parts, rows: all }: StackEvidence): Markup {
  const rows = all.map(({ name, values }) => {
    const drawn = values.map((value) => Math.max(0, drawable(value)));
    return { name, drawn, total: drawn.reduce((sum, value) => sum + value, 0) };
  });
  const greatest = greatestOf(rows.map(({ total }) => total));
  if (!(greatest > 0)) return html`<p class="muted">No values.</p>`;
  const scale = scaleAxis(x, greatest);
  const description = rows.map(
    ({ name, drawn }) =>
      `${name}: ${drawn.map((value, index) => `${parts[index] ?? ""} ${formatWithUnit(value, x.unit)}`).join(", ")}`,
  );
  const chart = drawChart({ id, title, description: `${description.join("; ")}.` }, (width, isNarrow) => {
    const figures = rows.map(({ total }) => formatWithUnit(total, x.unit));
    const right = greatestOf(figures.map(({ length }) => length)) * LETTER + 22;
    const height = 54 + rows.length * ROW_HEIGHT;
    const area = areaOf(width, height, { top: 4, right, bottom: 46, left: 12 });
    const steps = { steps: isNarrow ? 4 : 8, isNice: true };
    const across = linear([0, greatest / scale.divisor], [area.left, area.right], steps);
    const at = (value: number) => across.at(value / scale.divisor);
    const placed = rows.map((row, index) => ({ ...row, top: area.top + index * ROW_HEIGHT, figure: figures[index]! }));
    const part = (index: number) =>
      placed.flatMap(({ drawn, top }) => {
        const from = drawn.slice(0, index).reduce((sum, value) => sum + value, 0);
        const to = from + (drawn[index] ?? 0);
        if (to <= from) return [];
        return [{ x: at(from), y: top + BAR_DOWN, width: at(to) - at(from), height: BAR_HEIGHT }];
      });
    return {
      height,
      marks: [
        xGrid(area, across),
        xAxis(area, across, scale.label, width),
        ...parts.map((_, index) => bars(part(index), `var(--c${(index % COLOURS) + 1})`)),
        texts(
          placed.map(({ name, top }) => ({ x: area.left, y: top + NAME_DOWN, text: name })),
          { ...HALO, fill: "var(--ink)", "font-weight": 600 },
        ),
        texts(
          placed.map(({ total, top, figure }) => ({
            x: at(total) + 8,
            y: top + BAR_DOWN + BAR_HEIGHT / 2,
            text: figure,
          })),
          { ...HALO, fill: "var(--muted)" },
        ),
      ],
    };
  });
  const legend = html`<ul class="legend">${parts.map((name, index) => html`<li><i class="key box c${(index % COLOURS) + 1}"></i>${name}</li>`)}</ul>`;
  return html`${parts.length > 1 ? legend : undefined}${chart}`;
}
