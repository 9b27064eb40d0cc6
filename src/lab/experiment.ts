// The interface of an experiment: a claim, and a function that sets up, predicts, observes and judges.
import { setTimeout as timeout } from "node:timers/promises";
import type { ExperimentResult } from "../results/lab/lab.js";
import type { Testbed } from "./testbed/testbed.js";

export interface LabContext {
  readonly testbed: Testbed;
  /** All of it in a minute: smaller client loads, the same claims. */
  readonly isQuick: boolean;
  /** Connections of the experiments with a client load. */
  readonly connections: number;
  /** Messages per second over all connections together. */
  readonly messageRatePerSec: number;
  /** Tells what is going on, for whoever watches. */
  progress(text: string): void;
  /** Aborted when the lab is stopped: then what runs in the hosts ends. */
  readonly signal: AbortSignal;
}

/** What an experiment says of itself after it was made. */
export type Outcome = Pick<
  ExperimentResult,
  "setup" | "commands" | "prediction" | "observed" | "verdict" | "reason" | "evidence"
> & {
  /** What refutes it may be that things went too slowly: on a busy host that decides nothing. */
  readonly isTimed?: boolean;
};

export interface Experiment {
  readonly id: string;
  readonly title: string;
  /** Claims of the article: C1 to C7. */
  readonly claims: readonly string[];
  readonly claim: string;
  /** Time that it may take in a quick run, beside the others'; what one does not use the next ones have. */
  readonly quickMs: (context: Pick<LabContext, "connections" | "messageRatePerSec">) => number;
  run(context: LabContext): Promise<Outcome>;
}

/** Waits in an experiment. @throws {Error} AbortError as soon as the lab is stopped */
export async function pause({ signal }: Pick<LabContext, "signal">, ms: number): Promise<void> {
  await timeout(ms, undefined, { signal });
}

export { PORT } from "./testbed/addresses.js";
