// Runs one row of the fault matrix: makes a limit the binding one, records the prediction, drives a run into the limit,
// and counts the connections in the kernel's socket table.

import { execFileSync } from "node:child_process";
import type { ConnectResult, Diagnosis, Prediction, Whose } from "../../src/index.js";
import type { EngineChoice, EngineName } from "../../src/results/engine.js";
import { numberOf } from "../../src/util/bound.js";
import { CLI_FILE, type ProcessOptions, resultOf, start, type TestProcess } from "../support/process.js";

export interface Scenario {
  readonly name: string;
  /** Programs that must be installed. */
  readonly programs?: readonly string[];
  /** ID of the limit. */
  readonly limit: string;
  /** ID of the limit in the prediction, if it differs. */
  readonly predicts?: string;
  readonly whose: Whose;
  /** Engine to which this limit applies; by default, both must hit it alike. */
  readonly engine?: EngineName;
  /** Whether the ceiling is predictable; it must then be within 2% of the number reached. */
  readonly isPredictable: boolean;
  /** Makes the limit the binding one. All changes are undone at the end of the test. */
  arrange(engine: EngineChoice): Promise<Arranged>;
}

export interface Arranged {
  readonly at: string;
  /** Options for both the prediction and the run, such as the number of connections and the sources. */
  readonly load: readonly string[];
  /** Additional options for the run. */
  readonly run?: readonly string[];
  /** Whether the prediction needs the measured cost of a connection. */
  readonly measures?: boolean;
  readonly testbed?: Testbed;
}

/** Environment for both the prediction and the run. */
export interface Testbed {
  /** Command line that runs another command in that environment. */
  readonly prefix?: readonly string[];
  readonly options?: ProcessOptions;
  readonly namespace?: string;
}

export interface Row {
  readonly scenario: string;
  readonly engine: EngineChoice;
  readonly predictedLimit: string;
  readonly predicted: number | undefined;
  readonly namedLimit: string;
  readonly whose: string;
  readonly reached: number;
}

const POLL_MS = 100;
// Allows for hundreds of thousands of connections on a busy host.
const PREDICTION_MS = 90_000;
const RUN_MS = 240_000;

/** Runs the prediction and the load, and counts connections with `ss`. */
export async function runScenario(
  scenario: Scenario,
  engine: EngineChoice,
): Promise<Row & { diagnosis: Diagnosis; prediction: Prediction }> {
  const { at, load, run = [], measures, testbed = {} } = await scenario.arrange(engine);
  const doctor = startAt(testbed, [
    "doctor",
    "--json",
    "--for",
    "fourtuple",
    "--target",
    at,
    ...load,
    ...["--engine", engine],
    ...(measures ? [] : ["--no-measure"]),
  ]);
  const prediction = parse<Prediction>(doctor, await doctor.exited(PREDICTION_MS));
  const client = startAt(testbed, ["connect", at, "--json", "-T", "1500ms", "--engine", engine, ...load, ...run]);
  const reached = await plateau(client, at, testbed);
  const { diagnosis } = parse<ConnectResult & { diagnosis: Diagnosis }>(client, await client.exited(RUN_MS));
  return {
    scenario: scenario.name,
    engine,
    predictedLimit: prediction.binding?.id ?? "none",
    predicted: scenario.isPredictable ? numberOf(prediction.ceiling) : undefined,
    namedLimit: diagnosis.finding?.limit ?? diagnosis.suspects.map(({ limit }) => limit).join(" or "),
    whose: diagnosis.finding?.whose ?? "undecided",
    reached,
    diagnosis,
    prediction,
  };
}

/** Starts the command line in a testbed. */
export function startAt({ prefix = [], options }: Testbed, args: readonly string[]): TestProcess {
  const [command, ...rest] = [...prefix, process.execPath, CLI_FILE, ...args];
  return start(command!, rest, options);
}

/**
 * Returns the number of ESTABLISHED sockets towards the server that `ss` last counted twice in a row while the client
 * ran.
 */
async function plateau(client: TestProcess, at: string, { namespace }: Testbed): Promise<number> {
  const [ip, port] = at.split(":");
  const inNamespace = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
  const [command, ...args] = [
    ...inNamespace,
    "ss",
    "-Htn",
    "state",
    "established",
    `( dst ${ip} and dport = :${port} )`,
  ];
  let stood = 0;
  let before = -1;
  while (client.isRunning) {
    const count = execFileSync(command!, args, { encoding: "utf8", maxBuffer: 2 ** 28 }).split("\n").length - 1;
    // While the run closes, the count falls in steps; 0 is not a plateau.
    if (count === before && count > 0) stood = count;
    before = count;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return stood;
}

function parse<T>(ran: TestProcess, { stdout, stderr, code }: Awaited<ReturnType<TestProcess["exited"]>>): T {
  try {
    return resultOf(stdout);
  } catch {
    throw new Error(`process ${ran.pid} ended with ${code} and no JSON: ${stdout.slice(-500)}${stderr}`);
  }
}

/** Returns the rows as a Markdown table. */
export function table(rows: readonly Row[]): string {
  const count = (value: number | undefined) => (value === undefined ? "-" : value.toLocaleString("en-US"));
  const cells = [
    [
      "binding limit",
      "engine",
      "predicted limit",
      "ceiling",
      "limit named after the run",
      "whose",
      "reached",
      "off by",
    ],
    ...rows.map(({ scenario, engine, predictedLimit, predicted, namedLimit, whose, reached }) => [
      scenario,
      engine,
      predicted === undefined ? "-" : predictedLimit,
      count(predicted),
      namedLimit,
      whose,
      count(reached),
      predicted === undefined ? "-" : `${(Math.abs(offBy(predicted, reached)) * 100).toFixed(1)}%`,
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
  return [lines[0], `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...lines.slice(1)].join("\n");
}

/** Returns the prediction's error as a share of the number reached. */
export function offBy(predicted: number, reached: number): number {
  return predicted === reached ? 0 : (predicted - reached) / Math.max(1, reached);
}
