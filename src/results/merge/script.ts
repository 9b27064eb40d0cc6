// Merges what a script reports about two parts of a run.
import type { ScriptResult } from "../script.js";
import { mergeLatency } from "./latency.js";
import { either, merged, oneOf } from "./values.js";

/** Parts with different scripts cannot be merged, so the result has no script part. */
export function mergeScript(a: ScriptResult, b: ScriptResult): ScriptResult | undefined {
  if (a.sha256 !== b.sha256) return undefined;
  const order = (names: readonly { readonly name: string }[]) => names.map(({ name }) => name);
  return {
    name: oneOf(a.name, b.name),
    file: oneOf(a.file, b.file),
    sha256: a.sha256,
    seed: oneOf(a.seed, b.seed),
    data: either(a.data, b.data, oneOf),
    phases: byName(order(a.phases), [...a.phases, ...b.phases], (x, y) => ({
      name: x.name,
      entered: x.entered + y.entered,
      duration: mergeLatency(x.duration, y.duration),
    })),
    counters: byName(order(a.counters), [...a.counters, ...b.counters], (x, y) => ({ ...x, value: x.value + y.value })),
    histograms: byName(order(a.histograms), [...a.histograms, ...b.histograms], (x, y) => ({
      ...x,
      duration: mergeLatency(x.duration, y.duration),
    })),
    refusals: merged([...a.refusals, ...b.refusals], ({ code }) => `${code}`.padStart(5, "0"), oneOf),
    errors: either(a.errors, b.errors, (x, y) => ({ count: x.count + y.count, first: oneOf(x.first, y.first) })),
  };
}

/** Equal scripts have equal names, whose order is preserved. */
function byName<T extends { readonly name: string }>(
  names: readonly string[],
  entries: readonly T[],
  merge: (a: T, b: T) => T,
): T[] {
  return names.map((name) => entries.filter((entry) => entry.name === name).reduce(merge));
}
