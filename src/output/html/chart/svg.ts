// SVG as text: elements with their attributes, texts escaped, coordinates short.
import { escapeXml } from "../escape.js";

/** Attributes by their SVG names; those that are undefined are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A point in the chart's own units, y downwards. */
export type Point = readonly [x: number, y: number];

/** An element around what is SVG already. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? coordinate(value) : escapeXml(String(value))}"`);
  const open = `${name}${written.join("")}`;
  return children.length === 0 ? `<${open}/>` : `<${open}>${children.join("")}</${name}>`;
}

/** An element around text. */
export function textElement(name: string, attributes: Attributes, text: string): string {
  return element(name, attributes, escapeXml(text));
}

/** To a hundredth: a tenth of what can be seen, at a tenth of the length. */
export function coordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}
