// A diagnosis as text: the limit, whose it is, the evidence, the fix; or the suspects, and how to tell them apart.

import type { Diagnosis, Finding, Suspect } from "../../results/diagnosis.js";
import { printableData } from "../../util/printable.js";
import { formatCount } from "../../util/units.js";
import { SIDES } from "../sentences/words.js";
import { type Paint, plain } from "../terminal/paint.js";
import { alignLabels } from "../terminal/table.js";

/** No line when nothing stopped the run and nothing is to be noted. */
export function diagnosisLines(diagnosis: Diagnosis, paint: Paint = plain): string[] {
  const { finding, suspects, notes } = printableData(diagnosis);
  const lines = finding ? findingLines(finding, paint) : suspectLines(suspects, paint);
  return [...lines, ...notes.map((note) => `note: ${note}`)];
}

/** The whole answer of `doctor --explain`. */
export function diagnosisText(diagnosis: Diagnosis, paint: Paint = plain): string {
  const { outcome } = diagnosis;
  const headline = paint(outcome === "met" ? "good" : "bad", headlineOf(diagnosis));
  const lines = diagnosisLines(diagnosis, paint);
  return [headline, ...(lines.length > 0 ? ["", ...lines] : [])].join("\n");
}

function headlineOf({ of, outcome, reached, wanted }: Diagnosis): string {
  const [held, all] = [formatCount(reached), formatCount(wanted)];
  // What came to a server in all its life was not there at once.
  if (of === "serve") {
    const life = `held ${held} connections at the most; ${all} came in all`;
    return outcome === "met" ? `nothing stopped it: ${life}` : life;
  }
  return outcome === "met"
    ? `nothing stopped it: ${held} connections, all that were wanted`
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
    `  the evidence does not decide between ${formatCount(suspects.length)} limits:`,
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
