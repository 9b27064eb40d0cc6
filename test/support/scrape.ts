// Reads metrics as Prometheus does, and finds values in them.
import type { TestProcess } from "./process.js";
import { until } from "./until.js";

/**
 * Returns the text of a scrape.
 * @throws {Error} if the status is not 200
 */
export async function scrape(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`);
  return text;
}

/** Returns the value of the sample with these labels in any order; undefined if there is none. */
export function sampleOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  for (const line of text.split("\n")) {
    const [, named, given = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (named !== name) continue;
    const found = Object.fromEntries([...given.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, k, v]) => [k!, v!]));
    const names = Object.keys(found);
    if (names.length !== Object.keys(labels).length || names.some((key) => found[key] !== labels[key])) continue;
    return value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value);
  }
  return undefined;
}

/** Waits until a command has printed the address of its metrics. */
export async function metricsUrl(program: TestProcess): Promise<string> {
  const [, url] = await until(
    "metrics",
    () => {
      if (!program.isRunning) throw new Error(`it has ended: ${program.stderr}`);
      return /metrics on (http:\S+)/.exec(program.stderr) ?? [];
    },
    ([found]) => found !== undefined,
  );
  return url!;
}
