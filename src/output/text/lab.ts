// Formats the lab as text: each experiment from claim to verdict, then a table of all verdicts.

import { LAB_VERDICTS } from "../../results/identifiers.js";
import type { Evidence } from "../../results/lab/evidence.js";
import type { ExperimentResult, LabResult, LabTestbed, LabVerdict } from "../../results/lab/lab.js";
import { describeHostLoad } from "../../util/host-load.js";
import { printable, printableData } from "../../util/printable.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { LAB_VERDICT_WORDS } from "../sentences/words.js";
import { type Paint, plain, type Tone } from "../terminal/paint.js";
import { alignLabels } from "../terminal/table.js";

const TONES: Record<LabVerdict, Tone> = {
  confirmed: "good",
  refuted: "bad",
  inconclusive: "accent",
  failed: "bad",
  skipped: "accent",
};
/** Maximum number of table rows to print; a report has all of them. */
const ROWS = 8;
const WIDTH = 96;
/** Minimum width of the text, however narrow the terminal is. */
const LEAST_WIDTH = 24;

export function placeLine(testbed: LabTestbed): string {
  const { kind, reason, serverIp, clientIps } = printableData(testbed);
  if (kind === "namespaces") {
    return `two hosts in network namespaces, joined by a veth pair: server ${serverIp}, client ${clientIps}`;
  }
  return `over loopback, server ${serverIp}, client ${clientIps}${reason ? `: ${reason}` : ""}`;
}

export function experimentHeading({ id, title }: Pick<ExperimentResult, "id" | "title">, paint: Paint = plain): string {
  return `\n${paint("bold", printable(`${id}  ${title}`))}`;
}

/**
 * Formats an experiment: claim, prediction, observation and verdict, with the tables that support it.
 *
 * @param columns width of the terminal; by default, tables are as wide as they need to be
 */
export function experimentText(result: ExperimentResult, paint: Paint = plain, columns = Infinity): string {
  const { claims, claim, prediction, observed, verdict, reason, elapsedMs, evidence, hostLoad } = printableData(result);
  const busy = describeHostLoad(hostLoad);
  const rows = [
    ["claim", `${claim} (${claims.join(", ")})`],
    // An experiment that could not run has neither observation nor evidence.
    ...(prediction === "-" ? [] : [["predicted", prediction] as const]),
    ...(observed === "-" ? [] : [["observed", observed] as const]),
    [
      "verdict",
      `${paint(TONES[verdict], LAB_VERDICT_WORDS[verdict])}${reason ? `: ${reason}` : ""} (${formatDuration(elapsedMs)})`,
    ],
    // An inconclusive verdict already gives this text as its reason.
    ...(busy === undefined || verdict === "inconclusive" ? [] : [["host", `was busy: ${busy}`] as const]),
  ] as const;
  return [...labelled(rows, "  ", columns), ...evidence.flatMap((it) => evidenceLines(it, paint, columns))].join("\n");
}

/** Formats all verdicts as a table. */
export function labSummary(result: LabResult, paint: Paint = plain): string {
  const { experiments, elapsedMs, testbed, engine = "auto", stoppedIn, hostLoad } = printableData(result);
  const busy = describeHostLoad(hostLoad);
  const count = (verdict: LabVerdict) => experiments.filter((experiment) => experiment.verdict === verdict).length;
  const counted = LAB_VERDICTS.filter((verdict) => count(verdict) > 0).map(
    (verdict) => `${formatCount(count(verdict))} ${LAB_VERDICT_WORDS[verdict]}`,
  );
  const parts = [
    ...(stoppedIn === undefined ? [] : [`stopped in ${stoppedIn}`]),
    ...(counted.length === 0 ? ["no experiment ran"] : counted),
  ];
  const place = engine === "auto" ? testbed.kind : `${testbed.kind}, --engine ${engine}`;
  const width = Math.max(...experiments.map(({ title }) => title.length));
  const idWidth = Math.max(...experiments.map(({ id }) => id.length));
  return [
    "",
    paint("bold", `${parts.join(", ")}, in ${formatDuration(elapsedMs)} (${place})`),
    ...(busy === undefined ? [] : [`the host was busy: ${busy}`]),
    "",
    ...experiments.map(
      ({ id, title, claims, verdict }) =>
        `  ${id.padEnd(idWidth)}  ${title.padEnd(width)}  ${claims.join(", ").padEnd(10)}  ${paint(TONES[verdict], LAB_VERDICT_WORDS[verdict])}`,
    ),
  ].join("\n");
}

/** Formats only tables, because other evidence is for the report page. */
function evidenceLines(evidence: Evidence, paint: Paint, columns: number): string[] {
  if (evidence.kind !== "table") return [];
  const { title, columns: names, rows } = evidence;
  const shown = rows.slice(0, ROWS).map((row) => row.map(cellText));
  const hidden = rows.length - shown.length;
  const [header, ...lines] = alignCells([names, ...shown], (column) => typeof rows.at(-1)?.[column] === "number");
  const isTooWide = [header!, ...lines].some(({ length }) => length > columns);
  return [
    "",
    `  ${title}`,
    ...(isTooWide
      ? shown.flatMap((row, i) => [
          ...(i > 0 ? [""] : []),
          ...labelled(
            names.map((name, column) => [name, row[column]!] as const),
            "    ",
            columns,
          ),
        ])
      : [paint("dim", header!), ...lines]),
    ...(hidden > 0 ? [`    and ${formatCount(hidden)} more`] : []),
  ];
}

/** Aligns figures to the right, text to the left, and each heading like its column. */
function alignCells(texts: readonly (readonly string[])[], isFigure: (column: number) => boolean): string[] {
  const widths = texts[0]!.map((_, column) => Math.max(...texts.map((row) => row[column]!.length)));
  return texts.map((row) => {
    const cells = row.map((text, i) => (isFigure(i) ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)));
    return `    ${cells.join("  ").trimEnd()}`;
  });
}

function cellText(cell: string | number): string {
  return typeof cell === "number" ? formatCount(cell) : cell;
}

/** Aligns labels and their texts, wrapped to the line width. */
function labelled(
  rows: readonly (readonly [label: string, text: string])[],
  indent: string,
  columns: number,
): string[] {
  const labels = Math.max(...rows.map(([label]) => label.length));
  const width = Math.max(LEAST_WIDTH, Math.min(WIDTH, columns - indent.length - labels - 2));
  return alignLabels(
    rows.flatMap(([label, text]) =>
      clauses(text, width)
        .flatMap((clause) => wrap(clause, width))
        .map((line, i) => [i === 0 ? label : "", line] as const),
    ),
    indent,
  );
}

/** Splits a text that does not fit on one line after its semicolons. */
function clauses(text: string, width: number): string[] {
  return text.length <= width ? [text] : text.split(/(?<=;) /);
}

/** Wraps text at word boundaries, and does not break a word that is longer than a line. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
