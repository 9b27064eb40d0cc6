// Sections shared by the pages of both roles: why the run stopped, what failed, and the kernel's figures.

import type { Diagnosis, Finding } from "../../results/diagnosis.js";
import type { RunEvidence } from "../../results/evidence.js";
import type { FailureReport } from "../../results/fields.js";
import type { ScriptResult } from "../../results/script.js";
import { scriptLines } from "../sentences/script.js";
import { SIDES } from "../sentences/words.js";
import { drawTable } from "./evidence.js";
import { html, type Markup } from "./markup.js";

/**
 * Renders what stopped a run, or the suspects, with notes. The result is undefined if there is nothing to
 * report.
 */
export function why({ finding, suspects, notes }: Diagnosis): Markup | undefined {
  if (!finding && suspects.length === 0 && notes.length === 0) return undefined;
  const found = finding ? [finding] : suspects;
  return html`<section aria-labelledby="why"><h2 id="why">${finding ? "What stopped it" : suspects.length > 0 ? "What may have stopped it" : "Worth knowing"}</h2>
${found.map(describeFinding)}
${notes.map((note) => html`<p>${note}</p>`)}</section>`;
}

function describeFinding({ limit, whose, meaning, fix, evidence }: Finding): Markup {
  return html`<dl class="argument"><dt>Limit</dt><dd class="observed">${limit}, ${SIDES[whose]}</dd>
<dt>Meaning</dt><dd>${meaning}</dd>
${evidence.length > 0 ? html`<dt>Evidence</dt>` : undefined}${evidence.map((fact) => html`<dd>${fact}</dd>`)}
<dt>Fix</dt><dd>${fix}</dd></dl>`;
}

export function failureTable(all: readonly FailureReport[]): Markup | undefined {
  if (all.length === 0) return undefined;
  const rows = all.map(({ phase, errno, count }) => [phase, errno, count]);
  return html`<section aria-labelledby="failures"><h2 id="failures">Failures</h2>
${drawTable({ title: "By step and errno", columns: ["step", "errno", "connections"], rows })}</section>`;
}

export function kernelTable({ deltas, settings, gauges }: RunEvidence): Markup | undefined {
  const rows = [...named("rose by", deltas), ...named("setting", settings), ...named("at the end", gauges)];
  if (rows.length === 0) return undefined;
  return drawTable({ title: "Kernel counters and settings", columns: ["what", "name", "value"], rows });
}

/** Returns facts about a user-defined protocol. Its counters keep the names that its file declares. */
export function scriptFacts(result: { readonly script?: ScriptResult | undefined }): Fact[] {
  const counters = result.script?.counters.map(({ name }) => name) ?? [];
  return scriptLines(result).map((line) => (counters.includes(line[0]) ? line : capitalized(line)));
}

/** Makes a line of the summary a fact, whose label begins with a capital. */
export function capitalized([label, text]: Fact): Fact {
  return [`${label[0]!.toUpperCase()}${label.slice(1)}`, text];
}

type Fact = readonly [label: string, text: string | undefined];

function named(what: string, values: Readonly<Record<string, number>>): (readonly [string, string, number])[] {
  return Object.entries(values).map(([name, value]) => [what, name, value] as const);
}
