// Computes the layout of the picture of ports: the most important address large on the left, the others as small
// multiples on the right. This file only computes numbers; svg.ts does the drawing.
import type { MapField } from "./cells.js";

export interface Panel {
  readonly field: MapField;
  readonly x: number;
  readonly y: number;
  /** Width and height of the 256 × 256 cells. */
  readonly size: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly hero: Panel | undefined;
  readonly others: readonly Panel[];
  /** Number of fields that do not fit, and the position of the text that says so. */
  readonly more: { readonly count: number; readonly x: number; readonly y: number; readonly size: number } | undefined;
  readonly legendY: number;
  readonly footerY: number;
}

/** Maximum number of small panels; of the rest, only the number is given. */
const MAX_SMALL = 24;
/** Space on the left for the port numbers of the large panel. */
export const LEFT = 80;
export const RIGHT = 64;
/** Size of the large panel: two pixels per port. */
export const HERO = 512;
export const TOP = 196;
const GUTTER = 76;
const GAP = 12;
/** Height of the address and count below a small panel. */
const LABEL = 36;
const LEGEND = 118;
/** Height of the line at the bottom that names the source. */
export const FOOTER = 40;

/** Returns the fields that fit into the picture. */
export function drawnFields(fields: readonly MapField[]): readonly MapField[] {
  return fields.slice(0, 1 + MAX_SMALL);
}

export function layOut(fields: readonly MapField[], omitted = 0): Layout {
  const [first, ...shown] = drawnFields(fields);
  const hero = first && { field: first, x: LEFT, y: TOP, size: HERO };
  const hidden = Math.max(0, fields.length - 1 - shown.length) + omitted;
  const columns = Math.ceil(Math.sqrt(shown.length + (hidden > 0 ? 1 : 0)));
  const size = columns === 0 ? 0 : Math.floor((HERO - GAP * (columns - 1)) / columns);
  const left = LEFT + HERO + GUTTER;
  const place = (index: number) => ({
    x: left + (index % columns) * (size + GAP),
    y: TOP + Math.floor(index / columns) * (size + LABEL + GAP),
    size,
  });
  const others = shown.map((field, index) => ({ field, ...place(index) }));
  const rows = columns === 0 ? 0 : Math.ceil((shown.length + (hidden > 0 ? 1 : 0)) / columns);
  const legendY = TOP + HERO + 44;
  const bottom = Math.max(legendY + LEGEND, TOP + rows * (size + LABEL + GAP));
  return {
    width: columns === 0 ? LEFT + HERO + GUTTER + RIGHT : left + HERO + RIGHT,
    height: bottom + FOOTER,
    hero,
    others,
    more: hidden > 0 ? { count: hidden, ...place(shown.length) } : undefined,
    legendY,
    footerY: bottom + FOOTER - 16,
  };
}
