// A chart of a page: static SVG that needs no script, follows the page's colours, and prints.
import { Markup } from "../markup.js";
import { element, textElement } from "./svg.js";

/** Width of a chart, in its own units; the page scales it. */
export const CHART_WIDTH = 1000;
/** Of the same chart for a phone, which shows it at its own size: text that is scaled down could not be read. */
const NARROW_WIDTH = 354;

export interface ChartNames {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  /** What a person who does not see the chart should know. */
  readonly description: string;
}

/** Axes and marks, as SVG, in units of which the chart is `width` wide. */
export interface Drawing {
  readonly height: number;
  readonly marks: readonly string[];
}

/**
 * Draws a chart twice, of which a page shows the one that there is room for.
 *
 * @param draw what is drawn at a width; a narrow one has room for fewer ticks
 * @returns two `<svg>` with an accessible name and description
 */
export function drawChart(names: ChartNames, draw: (width: number, isNarrow: boolean) => Drawing): Markup {
  const narrowNames = { ...names, id: `${names.id}-narrow` };
  return new Markup(
    drawWide(names, draw(CHART_WIDTH, false)) +
      drawOne(narrowNames, "narrow-chart", NARROW_WIDTH, draw(NARROW_WIDTH, true)),
  );
}

/** The chart for a wide page alone: an `<svg>`. */
export function drawWide(names: ChartNames, drawing: Drawing): string {
  return drawOne(names, "chart", CHART_WIDTH, drawing);
}

function drawOne(
  { id, title, description }: ChartNames,
  className: string,
  width: number,
  { height, marks }: Drawing,
): string {
  return element(
    "svg",
    {
      class: className,
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      fill: "currentColor",
      "font-size": 13,
      "text-anchor": "middle",
      role: "img",
      "aria-labelledby": `${id}-title ${id}-about`,
    },
    textElement("title", { id: `${id}-title` }, title),
    textElement("desc", { id: `${id}-about` }, description),
    ...marks,
  );
}
