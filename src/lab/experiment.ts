// Interface of an experiment: a claim, and a function that sets up, predicts, observes and judges.
import { setTimeout as timeout } from "node:timers/promises";
import type { EngineChoice } from "../results/engine.js";
import type { ExperimentResult } from "../results/lab/lab.js";
import type { Testbed } from "./testbed/testbed.js";

export interface LabContext {
  readonly testbed: Testbed;
  /**
   * Whether to run everything in about a minute and a half. Clients then open fewer connections, but the
   * claims stay the same.
   */
  readonly isQuick: boolean;
  /** Number of connections in experiments with a single large client. */
  readonly connections: number;
  /**
   * Number of connections that the user asked for, or `max` for as many as this host can hold. By default, experiments
   * choose their own number.
   */
  readonly requested: number | "max" | undefined;
  /** Whether the user selected experiments, which may then take their time. */
  readonly isSelected: boolean;
  /** Messages per second across all connections. */
  readonly messageRatePerSec: number;
  /** I/O engine of all servers and clients. */
  readonly engine: EngineChoice;
  /** Reports progress to the user. */
  progress(text: string): void;
  /** Aborted when the lab is stopped; everything running in the hosts then ends. */
  readonly signal: AbortSignal;
}

/** Outcome of an experiment. */
export type Outcome = Pick<
  ExperimentResult,
  "setup" | "commands" | "prediction" | "observed" | "verdict" | "reason" | "evidence"
> & {
  /**
   * True if slowness alone may make the claim look refuted. On a busy host a refutation is then
   * inconclusive.
   */
  readonly isTimed?: boolean;
};

export interface Experiment {
  readonly id: string;
  readonly title: string;
  /** Claims C1 to C7 of the blog post on the 65,535 myth. */
  readonly claims: readonly string[];
  readonly claim: string;
  /** Whether the experiment can open as many connections as this host can hold (`-c max`). */
  readonly hasMax?: true;
  /** This experiment's share of the time of a quick run. Unused time goes to the experiments that follow. */
  readonly quickMs: (context: Pick<LabContext, "connections" | "messageRatePerSec">) => number;
  run(context: LabContext): Promise<Outcome>;
}

/**
 * Waits during an experiment.
 * @throws {Error} AbortError as soon as the lab is stopped
 */
export async function pause({ signal }: Pick<LabContext, "signal">, ms: number): Promise<void> {
  await timeout(ms, undefined, { signal });
}

export { PORT } from "./testbed/addresses.js";
