// Charts by Observable Plot, drawn when the page is made: static SVG that needs no script, follows the page's colours, and
// prints. Plot wants a document to make its elements in; linkedom's will do.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { Markup } from "../markup.js";

/** Width of every chart, in its own units; the page scales it. */
export const CHART_WIDTH = 1000;

export interface ChartNames {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  /** What a person who does not see the chart should know. */
  readonly description: string;
}

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** @returns an `<svg>` with an accessible name and description */
export function drawChart({ id, title, description }: ChartNames, options: Plot.PlotOptions): Markup {
  const svg = Plot.plot({
    document,
    className: "chart",
    width: CHART_WIDTH,
    style: { fontSize: "13px" },
    ...options,
  });
  // The page has styles of its own.
  svg.querySelector("style")?.remove();
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-labelledby", `${id}-title ${id}-about`);
  svg.prepend(named("title", `${id}-title`, title), named("desc", `${id}-about`, description));
  return new Markup(svg.outerHTML);
}

function named(tag: "title" | "desc", id: string, text: string) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  element.setAttribute("id", id);
  element.textContent = text;
  return element;
}
