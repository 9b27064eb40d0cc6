// Runs the lab: opens the testbed, runs the experiments in order and collects their results. The testbed is always
// removed at the end.

import { onSnapshot } from "../client/event-stream.js";
import type { ConnectSnapshot } from "../client/snapshot.js";
import { describeHost } from "../linux/proc/host.js";
import { loadBetween, readCpuTimes } from "../linux/proc/host-cpu.js";
import type { EngineChoice } from "../results/engine.js";
import type { ExperimentResult, LabResult } from "../results/lab/lab.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { formatCount } from "../util/units.js";
import { Budget } from "./budget.js";
import { EXPERIMENTS } from "./catalogue.js";
import type { Experiment, LabContext } from "./experiment.js";
import { reproduceHosts } from "./reproduce.js";
import { runExperiment } from "./run-experiment.js";
import type { ProgramWatch } from "./testbed/host.js";
import { openTestbed, type Testbed } from "./testbed/testbed.js";

export interface LabOptions {
  /** IDs of the experiments to run; by default, all. */
  readonly only?: readonly string[] | undefined;
  /**
   * Whether to run everything in about a minute and a half on two cores, two minutes at most. By default, the complete
   * experiments take a few minutes.
   */
  readonly quick?: boolean | undefined;
  /**
   * Number of connections in experiments with a single large client, above 65,535; default 100,000, or 70,000 for a
   * quick run. With `max`, as many as this host can hold, in E9 and E10 only.
   */
  readonly connections?: number | "max" | undefined;
  /** Messages per second across all connections of a client, from 200 to 1,000,000; default 4,000. */
  readonly totalMessageRatePerSec?: number | undefined;
  /** Whether to use loopback even if network namespaces can be created. */
  readonly loopback?: boolean | undefined;
  /** I/O engine of the servers and clients; default `auto`. */
  readonly engine?: EngineChoice | undefined;
  /**
   * Aborting this signal stops the lab and removes the testbed. The result contains the experiments completed so far.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Callbacks for progress. */
export interface LabEvents {
  testbedOpened?(testbed: Testbed): void;
  begun?(experiment: Experiment): void;
  progress?(text: string): void;
  /**
   * Called when a client reports its state; undefined once the client has exited.
   * @param id the client's ID
   */
  client?(id: number, snapshot: ConnectSnapshot | undefined): void;
  ended?(result: ExperimentResult): void;
  /** Called with the exception if an experiment ended because of a bug in the lab. */
  failed?(error: unknown): void;
}

const CONNECTIONS = { quick: 70_000, full: 100_000 } as const;
/** A client must open more connections than this. */
const PORTS = 65_535;
/** Number of source ports per address to rely on; others may be in use. */
const PORTS_PER_ADDRESS = 64_000;
const LEAST_ADDRESSES = 4;
const MOST_CONNECTIONS = 500 * PORTS_PER_ADDRESS;
/** Time for an orderly shutdown after a stop. After that, everything is killed. */
const STOP_GRACE_MS = 1000;
/** Every connection sends at least once, which takes the largest client eight minutes at the lowest rate. */
const MESSAGE_RATE = { least: 200, most: 1_000_000, default: 4000 } as const;

/**
 * Runs the experiments.
 *
 * @param command command line to record in the result
 * @throws {AppError} E_OPTION for an unknown experiment or an invalid number of connections; E_PORT_IN_USE over
 *   loopback
 */
export async function runLab(
  options: LabOptions,
  events: LabEvents = {},
  command = "fourtuple lab",
): Promise<LabResult> {
  const { experiments, ...settings } = resolveLab(options);
  const { isQuick, connections, engine } = settings;
  const startedAt = new Date();
  const startMs = performance.now();
  const testbed = await openTestbed({
    ...(options.loopback !== undefined && { loopback: options.loopback }),
    clientAddresses: Math.max(LEAST_ADDRESSES, Math.ceil(connections / PORTS_PER_ADDRESS)),
  });
  const { signal = new AbortController().signal } = options;
  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    void testbed.close();
    killTimer = setTimeout(() => testbed.kill(), STOP_GRACE_MS);
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    events.testbedOpened?.(testbed);
    if (events.client) testbed.client.watch(reportTo((id, snapshot) => events.client?.(id, snapshot)));
    const progress = (text: string) => events.progress?.(text);
    const context: LabContext = { testbed, ...settings, progress, signal };
    const results: ExperimentResult[] = [];
    let stoppedIn: string | undefined;
    const before = readCpuTimes();
    const budget = new Budget(experiments, context);
    for (const experiment of experiments) {
      events.begun?.(experiment);
      const result = await runExperiment(experiment, context, {
        failed: (error) => events.failed?.(error),
        budgetMs: isQuick ? budget.next(experiment) : undefined,
      });
      if (result === undefined) {
        stoppedIn = experiment.id;
        break;
      }
      results.push(result);
      events.ended?.(result);
    }
    const hostLoad = loadBetween(before, readCpuTimes());
    return {
      kind: "lab",
      version: 1,
      startedAt: startedAt.toISOString(),
      elapsedMs: performance.now() - startMs,
      isQuick,
      engine,
      testbed: testbed.description,
      reproduce: reproduceHosts(testbed),
      host: describeHost(),
      command,
      stoppedIn,
      ...(hostLoad && { hostLoad }),
      experiments: results,
    };
  } finally {
    signal.removeEventListener("abort", stop);
    await testbed.close();
    clearTimeout(killTimer);
  }
}

/** Resolved options of the lab. */
export interface LabSettings
  extends Pick<LabContext, "isQuick" | "connections" | "requested" | "isSelected" | "messageRatePerSec" | "engine"> {
  readonly experiments: readonly Experiment[];
}

/**
 * Resolves the options without side effects.
 * @throws {AppError} E_OPTION for an unknown experiment or an invalid number of connections
 */
export function resolveLab(options: LabOptions): LabSettings {
  const experiments = choose(options.only);
  const isQuick = options.quick ?? false;
  const { connections: requested } = options;
  if (requested === "max") checkMax(experiments, isQuick);
  const connections = typeof requested === "number" ? requested : isQuick ? CONNECTIONS.quick : CONNECTIONS.full;
  if (connections <= PORTS) {
    throw new AppError("E_OPTION", `${connections} connections prove nothing: there are ${PORTS} ports`, {
      fix: `use more than ${PORTS}, such as -c 100k`,
    });
  }
  if (connections > MOST_CONNECTIONS) {
    throw new AppError("E_OPTION", `${connections} connections need more ports than the lab's client has`, {
      fix: `use at most ${MOST_CONNECTIONS}`,
    });
  }
  return {
    experiments,
    isQuick,
    connections,
    requested,
    isSelected: experiments !== EXPERIMENTS,
    messageRatePerSec: messageRateOf(options),
    engine: options.engine ?? "auto",
  };
}

/** @throws {AppError} E_OPTION if some of the experiments cannot open as many connections as this host can hold */
function checkMax(experiments: readonly Experiment[], isQuick: boolean): void {
  const [first] = EXPERIMENTS.filter(({ hasMax }) => hasMax);
  if (experiments.every(({ hasMax }) => hasMax) && !isQuick) return;
  const obstacle = isQuick ? "it takes minutes" : `only ${namesOf(EXPERIMENTS.filter(({ hasMax }) => hasMax))} can`;
  throw new AppError("E_OPTION", `-c max cannot be used here: ${obstacle}`, {
    fix: `use --only ${first!.id} -c max${isQuick ? ", without --quick" : ""}`,
  });
}

function namesOf(experiments: readonly Experiment[]): string {
  return experiments.map(({ id }) => id).join(" and ");
}

function messageRateOf({ totalMessageRatePerSec: rate = MESSAGE_RATE.default }: LabOptions): number {
  const { least, most } = MESSAGE_RATE;
  if (rate >= least && rate <= most) return rate;
  throw new AppError("E_OPTION", `invalid total message rate for the lab: ${rate}/s`, {
    fix: `use ${formatCount(least)} to ${formatCount(most)}`,
  });
}

function choose(only: readonly string[] | undefined): readonly Experiment[] {
  if (only === undefined || only.length === 0) return EXPERIMENTS;
  const ids = only.map((id) => id.toUpperCase());
  const unknown = only.find((_, i) => !EXPERIMENTS.some(({ id }) => id === ids[i]));
  if (unknown !== undefined) {
    throw new AppError("E_OPTION", `unknown experiment: ${quoted(unknown)}`, {
      fix: `use one of ${EXPERIMENTS.map(({ id }) => id).join(", ")}`,
    });
  }
  return EXPERIMENTS.filter(({ id }) => ids.includes(id));
}

function reportTo(report: NonNullable<LabEvents["client"]>): ProgramWatch {
  let last = 0;
  return (program, args) => {
    if (args[0] !== "connect" || !args.includes("--json")) return;
    const id = ++last;
    onSnapshot(program, (snapshot) => report(id, snapshot));
    const ended = () => report(id, undefined);
    program.result.then(ended, ended);
  };
}
