// Writes SVG as text: elements and attributes, escaped text and short coordinates.
import { escapeXml } from "../escape.js";

/** Attributes by SVG name; undefined ones are omitted. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A point in the chart's units, with y pointing down. */
export type Point = readonly [x: number, y: number];

/** Returns an element that contains SVG. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? coordinate(value) : escapeXml(String(value))}"`);
  const open = `${name}${written.join("")}`;
  return children.length === 0 ? `<${open}/>` : `<${open}>${children.join("")}</${name}>`;
}

/** Returns an element that contains text. */
export function textElement(name: string, attributes: Attributes, text: string): string {
  return element(name, attributes, escapeXml(text));
}

/** Rounds to hundredths, which is finer than the eye can see and keeps the SVG short. */
export function coordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}
