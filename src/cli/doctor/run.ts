// Runs `fourtuple doctor`: predicts capacity, shows, applies or reverts changes, or explains a run.
import type { CapacityOptions } from "../../capacity/options.js";
import { printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { EXIT_CODES, onStopSignals } from "../signals.js";
import { type FixOptions, isFixRequested, runFix } from "./fix.js";

/** Options as parsed from the command line. */
export interface DoctorCommandOptions extends FixOptions {
  readonly connections?: number;
  readonly role?: CapacityOptions["role"];
  readonly for?: CapacityOptions["program"];
  readonly target?: string;
  readonly sourceIp?: CapacityOptions["sources"];
  readonly sourcePort?: CapacityOptions["sourcePorts"];
  readonly connectRate?: number;
  readonly messageRate?: number;
  readonly messageSize?: number;
  readonly memory?: number;
  readonly cores?: number;
  readonly nofile?: number;
  readonly memoryPerConnection?: number;
  readonly measure: boolean;
  readonly protocol?: CapacityOptions["protocol"];
  readonly engine?: CapacityOptions["engine"];
  readonly transport?: CapacityOptions["transport"];
  readonly all?: boolean;
  readonly explain?: string;
}

/** @returns the exit code */
export async function runDoctor(options: DoctorCommandOptions): Promise<number> {
  if (options.explain !== undefined) return explain(options.explain, options);
  return untilStopped((signal) => act(options, { ...toCapacity(options), signal }));
}

async function act(options: DoctorCommandOptions, capacity: CapacityOptions): Promise<number> {
  return isFixRequested(options) ? runFix(options, capacity) : predict(options, capacity);
}

/**
 * Aborts the measurement on a signal. The prediction then uses built-in costs, and the exit code is the one for the
 * signal.
 */
async function untilStopped(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stopping = new AbortController();
  let exitCode: number | undefined;
  const forget = onStopSignals(
    (signal) => {
      exitCode = EXIT_CODES[signal];
      stopping.abort();
    },
    (signal) => process.exit(EXIT_CODES[signal]),
  );
  try {
    const done = await work(stopping.signal);
    return exitCode ?? done;
  } finally {
    forget();
  }
}

async function predict(options: DoctorCommandOptions, capacity: CapacityOptions): Promise<number> {
  const { predictCapacity } = await import("../../capacity/predict.js");
  const { predictionText } = await import("../../output/text/doctor.js");
  const prediction = await predictCapacity(capacity);
  printResult(options.json ? prediction : predictionText(prediction, options.all ?? false, paintFor(process.stdout)));
  return prediction.isTargetMet ? 0 : 1;
}

async function explain(file: string, { json }: DoctorCommandOptions): Promise<number> {
  const { readResult } = await import("../report/result-file.js");
  const { explained } = await import("../../diagnosis/explain.js");
  const { diagnosisText } = await import("../../output/text/diagnosis.js");
  const { diagnosis } = explained(readResult(file, ["connect", "serve"]));
  printResult(json ? diagnosis : diagnosisText(diagnosis, paintFor(process.stdout)));
  return diagnosis.outcome === "met" ? 0 : 1;
}

function toCapacity(options: DoctorCommandOptions): CapacityOptions {
  return {
    connections: options.connections,
    role: options.role,
    target: options.target,
    sources: options.sourceIp,
    sourcePorts: options.sourcePort,
    connectRatePerSec: options.connectRate,
    messageRatePerSec: options.messageRate,
    messageBytes: options.messageSize,
    memoryBytes: options.memory,
    cores: options.cores,
    nofile: options.nofile,
    program: options.for,
    protocol: options.protocol,
    engine: options.engine,
    transport: options.transport,
    memoryPerConnectionBytes: options.memoryPerConnection,
    measure: options.measure,
  };
}
