// HTML as a tagged template. Every value is escaped unless it is markup itself, so text from a result cannot become
// markup.
import { escapeXml } from "./escape.js";

/** Text that is already HTML. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Markup | undefined | readonly Value[];

/** Tag for templates such as `html\`<b>${name}</b>\``. Undefined values are omitted, and lists are joined. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(parts.map((part, index) => (index === 0 ? "" : toText(values[index - 1])) + part).join(""));
}

function toText(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "string" || typeof value === "number") return escapeXml(String(value));
  return value.map(toText).join("");
}
