// Escapes text for HTML and SVG.
import { printableExcept } from "../../util/printable.js";

/** Escapes text, and also replaces characters that no document may contain. */
export function escapeXml(text: string): string {
  return printableExcept(text, isSpace, "\ufffd").replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function isSpace(character: string): boolean {
  return character === "\n" || character === "\t" || character === "\r";
}
