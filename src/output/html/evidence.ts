// Renders each kind of evidence as a figure: a title, and a chart or table with its figures.
import type { Evidence, PortsEvidence, TableEvidence } from "../../results/lab/evidence.js";
import { portMapOfEvidence } from "../port-map/evidence.js";
import { portMapFigure } from "../port-map/svg.js";
import { drawCeiling } from "./chart/ceiling.js";
import { drawFit } from "./chart/fit.js";
import { drawLatency } from "./chart/latency.js";
import { drawSeries } from "./chart/series.js";
import { drawStack } from "./chart/stack.js";
import { html, Markup } from "./markup.js";

/** @param id unique on the page */
export function drawEvidence(evidence: Evidence, id: string): Markup {
  switch (evidence.kind) {
    case "table":
      return drawTable(evidence);
    case "series":
      return figure(evidence.title, drawSeries(id, evidence));
    case "fit":
      return figure(evidence.title, drawFit(id, evidence));
    case "stack":
      return figure(evidence.title, drawStack(id, evidence));
    case "latency":
      return figure(evidence.title, drawLatency(id, evidence));
    case "ceiling":
      return figure(evidence.title, drawCeiling(id, evidence));
    case "ports":
      return drawPorts(evidence, id);
  }
}

function drawPorts(evidence: PortsEvidence, id: string): Markup {
  const map = portMapOfEvidence(evidence);
  return html`<figure class="ports"><figcaption id="${id}-title">${map.title}</figcaption>
<p class="figures" id="${id}-about">${map.caption}</p>
${new Markup(portMapFigure(map, `${id}-title ${id}-about`))}</figure>`;
}

export function figure(title: string, body: Markup): Markup {
  return html`<figure><figcaption>${title}</figcaption>
${body}
</figure>`;
}

export function drawTable({ title, columns, rows }: Omit<TableEvidence, "kind">): Markup {
  const isNumber = columns.map((_, column) => {
    const cells = rows.map((row) => row[column]!);
    return cells.every(isFigure) && cells.some((cell) => !NONE.includes(String(cell)));
  });
  const attribute = (column: number) => new Markup(isNumber[column] ? ' class="number"' : "");
  return html`<figure class="table"><div class="scroll"><table><caption>${title}</caption>
<thead><tr>${columns.map((name, column) => html`<th scope="col"${attribute(column)}>${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    (
      row,
    ) => html`<tr>${row.map((cell, column) => html`<td data-label="${columns[column]}"${attribute(column)}>${formatCell(cell, columns[column] ?? "")}</td>`)}</tr>
`,
  )}</tbody></table></div></figure>`;
}

const NONE = ["-", "unlimited"];
const FIGURE = /^[+-]?\d{1,3}(,?\d{3})*(\.\d+)?( ?[%\p{L}]{1,3})?$/u;

/** Whether a cell is a number, or a text such as `+3 ms` or `1,024`, whose digits belong below each other. */
function isFigure(cell: string | number): boolean {
  return typeof cell === "number" || FIGURE.test(cell) || NONE.includes(cell);
}

/** Formats ports and process IDs without thousands separators, because they are names rather than amounts. */
function formatCell(cell: string | number, column: string): string {
  if (typeof cell === "string") return cell;
  return /\b(port|pid)\b/i.test(column) ? String(cell) : cell.toLocaleString("en-US", { maximumFractionDigits: 3 });
}
