// Draws the marks of a chart: lines, filled areas, dots, rules, bars and texts, each kind in a group of SVG
// elements.
import { type Area, group, MIDDLE } from "./axes.js";
import { type Attributes, coordinate, element, type Point, textElement } from "./svg.js";

/** Outline that keeps text readable over lines. */
export const HALO = { "paint-order": "stroke", "stroke-linejoin": "round", stroke: "var(--paper)", "stroke-width": 5 };

/** Draws a line through points. If stepped, each value holds until the next one. */
export function line(points: readonly Point[], stroke: string, width: number, isStepped = false): string {
  if (points.length === 0) return "";
  const style = { fill: "none", "stroke-linecap": "round", "stroke-linejoin": "round" };
  return group("line", { ...style, stroke, "stroke-width": width }, [
    element("path", { d: pathOf(points, isStepped) }),
  ]);
}

/** Fills the area between a line and the baseline. */
export function filled(points: readonly Point[], foot: number, fill: string, isStepped = false): string {
  if (points.length === 0) return "";
  const [first, last] = [points[0]!, points.at(-1)!];
  const d = `${pathOf(points, isStepped)}L${place([last[0], foot])}L${place([first[0], foot])}Z`;
  return group("area", { fill, "fill-opacity": 0.13 }, [element("path", { d })]);
}

export function dots(points: readonly Point[], r: number, attributes: Attributes): string {
  return group(
    "dot",
    attributes,
    points.map(([cx, cy]) => element("circle", { cx, cy, r })),
  );
}

/** Draws straight lines, each between two points. */
export function rules(ends: readonly (readonly [Point, Point])[], attributes: Attributes): string {
  const each = ends.map(([[x1, y1], [x2, y2]]) => element("line", { x1, y1, x2, y2 }));
  return group("rule", attributes, each);
}

/** Draws a horizontal line across the area. */
export function baseline({ left, right }: Area, y: number): string {
  return rules(
    [
      [
        [left, y],
        [right, y],
      ],
    ],
    { stroke: "var(--edge)" },
  );
}

export interface Text {
  readonly x: number;
  /** Vertical middle. */
  readonly y: number;
  readonly text: string;
}

/** Draws texts that start at their x coordinate, unless the attributes say otherwise. */
export function texts(all: readonly Text[], attributes: Attributes): string {
  const each = all.map(({ x, y, text }) => textElement("text", { x, y, dy: MIDDLE }, text));
  return group("text", { "text-anchor": "start", ...attributes }, each);
}

export interface Bar {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function bars(all: readonly Bar[], fill: string): string {
  const each = all.map(({ x, y, width, height }) => element("rect", { x, y, width, height, rx: 2 }));
  return group("bar", { fill }, each);
}

function pathOf(points: readonly Point[], isStepped: boolean): string {
  const each = points.map((point, index) => {
    const turn = isStepped && index > 0 ? `${place([point[0], points[index - 1]![1]])}L` : "";
    return turn + place(point);
  });
  return `M${each.join("L")}`;
}

function place([x, y]: Point): string {
  return `${coordinate(x)},${coordinate(y)}`;
}
