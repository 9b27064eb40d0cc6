// Charts by Observable Plot, drawn when the page is made: static SVG that needs no script, follows the page's colours, and
// prints. Plot wants a document to make its elements in; linkedom's will do.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { Markup } from "../markup.js";

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

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/**
 * Draws a chart twice, of which a page shows the one that there is room for.
 *
 * @param optionsFor what is drawn; a narrow one has room for fewer ticks
 * @returns two `<svg>` with an accessible name and description
 */
export function drawChart(names: ChartNames, optionsFor: (isNarrow: boolean) => Plot.PlotOptions): Markup {
  const wide = drawWide(names, optionsFor(false));
  const narrowNames = { ...names, id: `${names.id}-narrow` };
  return new Markup(
    wide + drawOne(narrowNames, { className: "narrow-chart", width: NARROW_WIDTH, ...optionsFor(true) }),
  );
}

/** The chart for a wide page alone: an `<svg>`. */
export function drawWide(names: ChartNames, options: Plot.PlotOptions): string {
  return drawOne(names, { className: "chart", width: CHART_WIDTH, ...options });
}

function drawOne({ id, title, description }: ChartNames, options: Plot.PlotOptions): string {
  const svg = Plot.plot({ document, style: { fontSize: "13px" }, ...options });
  // The page has styles of its own.
  svg.querySelector("style")?.remove();
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-labelledby", `${id}-title ${id}-about`);
  svg.prepend(named("title", `${id}-title`, title), named("desc", `${id}-about`, description));
  return svg.outerHTML;
}

function named(tag: "title" | "desc", id: string, text: string) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  element.setAttribute("id", id);
  element.textContent = text;
  return element;
}
