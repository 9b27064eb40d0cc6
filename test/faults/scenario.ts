// One row of the fault matrix: a limit is made the binding one, the prediction is written down, a run is driven into it, and
// the kernel's table says how far it came.

import { execFileSync } from "node:child_process";
import type { ConnectResult, Diagnosis, Prediction, Whose } from "../../src/index.js";
import { numberOf } from "../../src/util/bound.js";
import { CLI_FILE, type ProcessOptions, resultOf, start, type TestProcess } from "../support/process.js";

export interface Scenario {
  readonly name: string;
  /** Programs that must be installed. */
  readonly programs?: readonly string[];
  /** The limit's id, and whose it is. */
  readonly limit: string;
  /** The id that the prediction has for it, where that is another. */
  readonly predicts?: string;
  readonly whose: Whose;
  /** The ceiling can be told beforehand: then it has to be within 2 % of what is reached. */
  readonly isPredictable: boolean;
  /** Makes the limit the binding one; what it makes goes with the test. */
  arrange(): Promise<Arranged>;
}

export interface Arranged {
  readonly at: string;
  /** Options for the prediction and the run alike: how many, from where. */
  readonly load: readonly string[];
  /** Further options of the run. */
  readonly run?: readonly string[];
  /** What a connection costs is measured: the prediction needs it. */
  readonly measures?: boolean;
  readonly testbed?: Testbed;
}

/** Where both are run. */
export interface Testbed {
  /** A command line that runs another one there. */
  readonly prefix?: readonly string[];
  readonly options?: ProcessOptions;
  readonly namespace?: string;
}

export interface Row {
  readonly scenario: string;
  readonly predictedLimit: string;
  readonly predicted: number | undefined;
  readonly namedLimit: string;
  readonly whose: string;
  readonly reached: number;
}

const POLL_MS = 100;
const PREDICTION_MS = 30_000;
const RUN_MS = 60_000;

/** Predicts, runs, and counts from outside. */
export async function play(scenario: Scenario): Promise<Row & { diagnosis: Diagnosis; prediction: Prediction }> {
  const { at, load, run = [], measures, testbed = {} } = await scenario.arrange();
  const doctor = startAt(testbed, [
    "doctor",
    "--json",
    "--for",
    "fourtuple",
    "--target",
    at,
    ...load,
    ...(measures ? [] : ["--no-measure"]),
  ]);
  const prediction = parse<Prediction>(doctor, await doctor.exited(PREDICTION_MS));
  const client = startAt(testbed, ["connect", at, "--json", "-T", "1500ms", ...load, ...run]);
  const reached = await plateau(client, at, testbed);
  const { diagnosis } = parse<ConnectResult & { diagnosis: Diagnosis }>(client, await client.exited(RUN_MS));
  return {
    scenario: scenario.name,
    predictedLimit: prediction.binding?.id ?? "none",
    predicted: scenario.isPredictable ? numberOf(prediction.ceiling) : undefined,
    namedLimit: diagnosis.finding?.limit ?? diagnosis.suspects.map(({ limit }) => limit).join(" or "),
    whose: diagnosis.finding?.whose ?? "undecided",
    reached,
    diagnosis,
    prediction,
  };
}

/** The command line, in a place. */
export function startAt({ prefix = [], options }: Testbed, args: readonly string[]): TestProcess {
  const [command, ...rest] = [...prefix, process.execPath, CLI_FILE, ...args];
  return start(command!, rest, options);
}

/** ESTABLISHED sockets towards the server as `ss` counts them: the last number that stood still while the client ran. */
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
    // The closing goes down in steps of its own; it is no plateau.
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

/** Rows as a Markdown table. */
export function table(rows: readonly Row[]): string {
  const count = (value: number | undefined) => (value === undefined ? "-" : value.toLocaleString("en-US"));
  const cells = [
    ["made to bind", "predicted limit", "ceiling", "limit named after the run", "whose", "reached", "off by"],
    ...rows.map(({ scenario, predictedLimit, predicted, namedLimit, whose, reached }) => [
      scenario,
      predicted === undefined ? "-" : predictedLimit,
      count(predicted),
      namedLimit,
      whose,
      count(reached),
      predicted === undefined ? "-" : `${(Math.abs(offBy(predicted, reached)) * 100).toFixed(1)} %`,
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
  return [lines[0], `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...lines.slice(1)].join("\n");
}

/** How far the prediction is from what was reached, as a share of it. */
export function offBy(predicted: number, reached: number): number {
  return predicted === reached ? 0 : (predicted - reached) / Math.max(1, reached);
}
