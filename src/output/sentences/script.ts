// Phrases for what a user-defined protocol reports, shared by the terminal and the pages.
import { basename } from "node:path";
import { describeHandlerErrors } from "../../diagnosis/rules/protocols/script.js";
import type { LatencySummary } from "../../results/histogram/latency-summary.js";
import type { ScriptResult } from "../../results/script.js";
import { formatCount, formatDuration } from "../../util/units.js";

interface Scripted {
  readonly script?: ScriptResult | undefined;
}

/** Returns pairs of label and text; empty for built-in protocols. */
export function scriptLines({ script }: Scripted): [string, string | undefined][] {
  if (!script) return [];
  const { name, file, sha256, seed, data, phases, counters, refusals, errors } = script;
  const rows = data === undefined ? "" : `, data from ${basename(data)}`;
  return [
    ["protocol", `${name} (${basename(file)}, SHA-256 ${sha256.slice(0, 12)}…), seed ${seed}${rows}`],
    ["phases", phases.length > 0 ? phases.map(describePhase).join("; ") : undefined],
    // Both sides share the metrics, but most metrics are used by only one side.
    ...counters
      .filter(({ value }) => value > 0)
      .map((counter): [string, string] => [counter.name, formatCount(counter.value)]),
    [
      "refusals",
      refusals.length > 0 ? refusals.map(({ code, text }) => `${code} means ${text}`).join("; ") : undefined,
    ],
    ["handler errors", errors && describeHandlerErrors(script, errors)],
  ];
}

/** Returns the durations that the protocol measured, by name. */
export function scriptRows({ script }: Scripted): { readonly name: string; readonly summary: LatencySummary }[] {
  if (!script) return [];
  return [...script.phases, ...script.histograms].map(({ name, duration }) => ({ name, summary: duration }));
}

function describePhase({ name, entered, duration }: ScriptResult["phases"][number]): string {
  const left = duration.count > 0 ? `, left after ${formatDuration(duration.p50Us / 1000)} (median)` : "";
  return `${name} ${formatCount(entered)}${left}`;
}
