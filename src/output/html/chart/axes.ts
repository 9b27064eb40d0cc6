// Draws axes and grids: ticks and labels around the plot area.
import type { Projection, Tick } from "./projection.js";
import { type Attributes, element, textElement } from "./svg.js";

/** Area of a chart's marks, in its own units. */
export interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Margins {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

const TICK_LENGTH = 6;
const TICK_GAP = 9;
const LABEL_GAP = 43;
/** Offsets that align the middle or top of a text, rather than its baseline, with its position. */
export const MIDDLE = "0.32em";
const TOP = "0.71em";

export function areaOf(width: number, height: number, margins: Margins): Area {
  return {
    left: margins.left,
    right: width - margins.right,
    top: margins.top,
    bottom: height - margins.bottom,
  };
}

/** Draws the axis below the area. The axis's label ends at the right edge of the chart. */
export function xAxis(area: Area, { ticks }: Projection, label: string, edge: number): string {
  const below = area.bottom + TICK_GAP;
  const labelled = textElement("text", { x: edge - 3, y: area.bottom + LABEL_GAP }, label);
  return [
    group(
      "x-axis tick",
      HIDDEN,
      lines(ticks, ({ at }) => [at, area.bottom, at, area.bottom + TICK_LENGTH]),
    ),
    group(
      "x-axis tick label",
      FIGURES,
      texts(ticks, ({ at }) => ({ x: at, y: below, dy: TOP })),
    ),
    group("x-axis label", { "text-anchor": "end" }, [labelled]),
  ].join("");
}

/** Draws the axis to the left of the area, with its label above. */
export function yAxis(area: Area, { ticks }: Projection, label: string): string {
  const before = area.left - TICK_GAP;
  const labelled = textElement("text", { x: 3, y: area.top - 31, dy: TOP }, label);
  return [
    group(
      "y-axis tick",
      HIDDEN,
      lines(ticks, ({ at }) => [area.left, at, area.left - TICK_LENGTH, at]),
    ),
    group(
      "y-axis tick label",
      { ...FIGURES, "text-anchor": "end" },
      texts(ticks, ({ at }) => ({ x: before, y: at, dy: MIDDLE })),
    ),
    group("y-axis label", { "text-anchor": "start" }, [labelled]),
  ].join("");
}

export function xGrid(area: Area, { ticks }: Projection): string {
  return group(
    "x-grid",
    HIDDEN,
    lines(ticks, ({ at }) => [at, area.top, at, area.bottom]),
  );
}

export function yGrid(area: Area, { ticks }: Projection): string {
  return group(
    "y-grid",
    HIDDEN,
    lines(ticks, ({ at }) => [area.left, at, area.right, at]),
  );
}

/** Groups elements of the same style; returns an empty string if there are none. */
export function group(label: string, attributes: Attributes, elements: readonly string[]): string {
  return elements.length === 0 ? "" : element("g", { "aria-label": label, ...attributes }, ...elements);
}

const HIDDEN = { "aria-hidden": "true" };
const FIGURES = { "font-variant": "tabular-nums" };

function lines(ticks: readonly Tick[], ends: (tick: Tick) => readonly [number, number, number, number]): string[] {
  return ticks.map((tick) => {
    const [x1, y1, x2, y2] = ends(tick);
    return element("line", { x1, y1, x2, y2 });
  });
}

function texts(ticks: readonly Tick[], place: (tick: Tick) => Attributes): string[] {
  return ticks.map((tick) => textElement("text", place(tick), tick.text));
}
