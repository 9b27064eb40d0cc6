// Formats a diagnosis as text: the limit, its side, the evidence and the fix; or the suspects and how to tell them
// apart.

import type { Diagnosis, Finding, Suspect } from "../../results/diagnosis.js";
import { printableData } from "../../util/printable.js";
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

function headlineOf({ of, outcome, reached, wanted }: Diagnosis): string {
  const [held, all] = [formatCount(reached), formatCount(wanted)];
  // Connections that a server accepted over its lifetime were not all open at once.
  if (of === "serve") {
    const life = `held at most ${held} connections at once; ${all} accepted in total`;
    return outcome === "met" ? `nothing stopped it: ${life}` : life;
  }
  return outcome === "met"
    ? `nothing stopped it: all ${held} connections opened`
    : `stopped at ${held} of ${all} connections`;
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
