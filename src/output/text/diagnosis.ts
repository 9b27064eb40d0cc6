// Formats a diagnosis as text: the limit, its side, the evidence and the fix; or the suspects and how to tell them
// apart.

import type { Diagnosis, Finding, Suspect } from "../../results/diagnosis.js";
import { printable, printableData } from "../../util/printable.js";
import { formatCount } from "../../util/units.js";
import { SIDES } from "../sentences/words.js";
import { type Paint, plain } from "../terminal/paint.js";
import { alignLabels } from "../terminal/table.js";

/** Returns the diagnosis as lines; none if nothing stopped the run and there are no notes. */
export function diagnosisLines(diagnosis: Diagnosis, paint: Paint = plain): string[] {
  const { finding, suspects, notes } = printableData(diagnosis);
  const lines = finding ? findingLines(finding, paint) : suspectLines(suspects, paint);
  return [...lines, ...notes.map((note) => `note: ${note}`)];
}

/** Returns the complete output of `doctor --explain`. */
export function diagnosisText(diagnosis: Diagnosis, paint: Paint = plain): string {
  const { outcome } = diagnosis;
  const headline = paint(outcome === "met" ? "good" : "bad", headlineOf(diagnosis));
  const lines = diagnosisLines(diagnosis, paint);
  return [headline, ...(lines.length > 0 ? ["", ...lines] : [])].join("\n");
}

/** Returns why the target was missed, for the first line, which is often all that an alert or a log shows. */
export function becauseOf({ finding, suspects }: Diagnosis): string {
  // The misses already name the threshold.
  if (finding?.limit === "threshold") return "";
  if (finding) return `: ${firstClause(finding)}`;
  return suspects.length > 0 ? `: either ${suspects.map(firstClause).join(", or ")}` : "";
}

/** What follows a colon or semicolon gives details. */
function firstClause({ meaning }: Finding): string {
  return printable(meaning).split(/[:;] /)[0]!;
}

function headlineOf(diagnosis: Diagnosis): string {
  const { of, outcome, reached, wanted } = diagnosis;
  const [held, all] = [formatCount(reached), formatCount(wanted)];
  // Connections that a server accepted over its lifetime were not all open at once.
  if (of === "serve") {
    const life = `held at most ${held} connections at once; ${all} accepted in total`;
    return outcome === "met" ? `nothing stopped it: ${life}` : life;
  }
  if (outcome === "met") return `nothing stopped it: all ${held} connections opened`;
  const how =
    reached >= wanted
      ? `missed its target with all ${all} connections open`
      : `stopped at ${held} of ${all} connections`;
  return `${how}${becauseOf(diagnosis)}`;
}

function findingLines({ limit, whose, meaning, evidence, fix }: Finding, paint: Paint): string[] {
  return alignLabels(
    [
      ["limit", `${paint("bold", limit)}, ${SIDES[whose]}`],
      ["means", meaning],
      ...evidence.map((fact, i) => [i === 0 ? "evidence" : "", fact] as const),
      ["fix", fix],
    ],
    "  ",
  );
}

function suspectLines(suspects: readonly Suspect[], paint: Paint): string[] {
  if (suspects.length === 0) return [];
  const evidence = suspects[0]!.evidence;
  return [
    `  the evidence fits ${formatCount(suspects.length)} limits:`,
    ...alignLabels(
      evidence.map((fact, i) => [i === 0 ? "evidence" : "", fact] as const),
      "  ",
    ),
    ...suspects.flatMap(({ limit, whose, meaning, fix, test }) => [
      "",
      ...alignLabels(
        [
          ["either", `${paint("bold", limit)}, ${SIDES[whose]}`],
          ["means", meaning],
          ["test", test],
          ["fix", fix],
        ],
        "  ",
      ),
    ]),
  ];
}
