// Draws charts as static SVG that needs no scripts, follows the page's colours and can be printed.
import { Markup } from "../markup.js";
import { element, textElement } from "./svg.js";

/** Width of a chart in its own units; the page scales it. */
export const CHART_WIDTH = 1000;
/** Width of the version for phones, which is shown unscaled because smaller text would be unreadable. */
const NARROW_WIDTH = 354;

export interface ChartNames {
  /** Prefix for IDs, which must be unique on the page. */
  readonly id: string;
  readonly title: string;
  /** A text alternative for readers who cannot see the chart. */
  readonly description: string;
}

/** Axes and marks as SVG, in the units of the chart's width. */
export interface Drawing {
  readonly height: number;
  readonly marks: readonly string[];
}

/**
 * Draws a chart in two versions, of which the page shows the one that fits.
 *
 * @param draw draws the chart at a given width; a narrow chart should have fewer ticks
 * @returns two `<svg>` elements with accessible names and descriptions
 */
export function drawChart(names: ChartNames, draw: (width: number, isNarrow: boolean) => Drawing): Markup {
  const narrowNames = { ...names, id: `${names.id}-narrow` };
  return new Markup(
    drawWide(names, draw(CHART_WIDTH, false)) +
      drawOne(narrowNames, "narrow-chart", NARROW_WIDTH, draw(NARROW_WIDTH, true)),
  );
}

/**
 * Draws only the version for wide pages.
 * @returns an `<svg>` element
 */
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
