// Presents the phases and metrics of a user-defined protocol as metric
// families.
import { familyOf } from "../../engine/metric-names.js";
import type { ScriptMeasurements } from "../../engine/script/run.js";
import { bucketsOf } from "./buckets.js";
import { counter, described, type Family, filled, histogram, only, type Sample } from "./families.js";

const PREFIX = "fourtuple_script";
/** Prefix of the metrics that a script declares itself. */
const CUSTOM = "fourtuple_custom";

const SCRIPT = {
  phase_entered: counter("Number of times that connections entered the phase.", "phase"),
  phase_duration_seconds: histogram("Time that connections spent in the phase.", "phase"),
  handler_errors: counter("Calls to the script's handlers that threw an error."),
};

export const SCRIPT_FAMILIES = described(PREFIX, SCRIPT);

/**
 * Returns the families of a user-defined protocol; none for other protocols.
 */
export function scriptFamilies(script: ScriptMeasurements | undefined): Family[] {
  if (script === undefined) return [];
  const { phases, metrics, errors } = script;
  const ofPhase = (value: (phase: (typeof phases)[number]) => Sample[1]) =>
    phases.map((phase): Sample => [{ phase: phase.name }, value(phase)]);
  const names = new Set<string>();
  return [
    ...filled(PREFIX, SCRIPT, {
      phase_entered: ofPhase(({ entered }) => entered),
      phase_duration_seconds: ofPhase(({ durations }) => bucketsOf(durations)),
      handler_errors: only(errors),
    }),
    ...metrics.map(({ name, type, help = `Metric ${name} of the script.`, value }): Family => {
      // A script's histograms hold milliseconds, whether their names say so or
      // not. The ending of a counter's name is added later.
      const stem = type === "histogram" ? `${name.replace(/_?[mM]s$/, "")}Us` : name.replace(/(?<=.)_?[tT]otal$/, "");
      const named = unique(familyOf(CUSTOM, stem, { type, help, shown: "moment" }).name.replace(/_total$/, ""), names);
      return {
        name: named,
        type,
        help,
        labels: [],
        samples: only(typeof value === "number" ? value : bucketsOf(value)),
      };
    }),
  ];
}

/** `joinedAt` and `joined_at` become the same name in snake case. */
function unique(name: string, taken: Set<string>): string {
  let free = name;
  for (let n = 2; taken.has(free); n++) free = `${name}_${n}`;
  taken.add(free);
  return free;
}
