// HTML as a tagged template: every value is escaped unless it is markup itself, so no text of a result becomes markup.
import { escapeXml } from "./escape.js";

/** Text that is HTML already. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Markup | undefined | readonly Value[];

/** `html\`<b>${name}</b>\``: undefined is nothing, lists are joined. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(parts.map((part, index) => (index === 0 ? "" : toText(values[index - 1])) + part).join(""));
}

function toText(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "string" || typeof value === "number") return escapeXml(String(value));
  return value.map(toText).join("");
}
