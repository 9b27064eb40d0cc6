// Frame of a report page, a single file that needs neither a network nor scripts.

import type { HostDescription } from "../../results/fields.js";
import { formatBound } from "../../util/bound.js";
import { printableExcept } from "../../util/printable.js";
import { formatBytes, plural } from "../../util/units.js";
import { PORT_MAP_STYLE } from "../port-map/style.js";
import { PORT_MAP_DEFINITIONS } from "../port-map/svg.js";
import { html, Markup } from "./markup.js";
import { PAGE_STYLE } from "./page-style.js";

/**
 * Content security policy. Whatever a result contains, nothing is loaded or executed; only styles and the empty icon
 * are allowed.
 */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

export function page(title: string, body: Markup): string {
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Markup(POLICY)}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Markup(PORT_MAP_STYLE)}
${new Markup(PAGE_STYLE)}</style>
</head>
<body>
${new Markup(PORT_MAP_DEFINITIONS)}
<main>
${body}
</main>
</body>
</html>
`;
  // Remove unprintable characters that have reached the page, escaped or in the charts' markup.
  return printableExcept(whole.text, (character) => "\n\t\r".includes(character), "\ufffd");
}

/** Renders names and values, leaving out undefined ones. */
export function facts(rows: readonly (readonly [name: string, value: string | Markup | undefined])[]): Markup {
  const known = rows.filter(([, value]) => value !== undefined);
  return html`<dl class="facts">${known.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>`;
}

/** Returns the rows of facts() that describe a host. */
export function hostFacts({ kernel, arch, node, cpu, cores, memoryBytes, nofileLimit }: HostDescription) {
  return [
    ["Kernel", `${kernel}, ${arch}`],
    ["Processor", `${cpu}, ${plural(cores, "core")}`],
    ["Memory", formatBytes(memoryBytes)],
    ["Open files", `${formatBound(nofileLimit)} per descriptor table (RLIMIT_NOFILE)`],
    ["Node", node],
  ] as const;
}

/** Renders the key figures in large type. */
export function tiles(rows: readonly (readonly [name: string, figure: string, note?: string | undefined])[]): Markup {
  return html`<dl class="tiles">${rows.map(
    ([name, figure, note]) =>
      html`<div><dt>${name}</dt><dd>${figure}${note === undefined ? undefined : html`<small>${note}</small>`}</dd></div>`,
  )}</dl>`;
}

/** Renders command lines for copying. Wrapped lines are indented, and options are not broken at their hyphens. */
export function commandLines(lines: readonly string[]): Markup {
  const each = lines.flatMap((line) => line.split("\n"));
  return html`<pre>${each.map((line) => html`<span class="line">${line.split(/(?<= )(?=-)/).map(wholeOption)}\n</span>`)}</pre>`;
}

function wholeOption(text: string): Markup {
  const [option = ""] = /^-\S+/.exec(text) ?? [];
  return html`${option && html`<span class="option">${option}</span>`}${text.slice(option.length)}`;
}

/** Formats a time such as `2031-02-03 04:05 UTC`. */
export function formatTime(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}
