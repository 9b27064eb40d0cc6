// Runs `fourtuple serve --fleet`: shows where the agents listen, the merged progress with a row per agent, and the
// merged result.

import { explained } from "../../diagnosis/explain.js";
import { serveFleet } from "../../fleet/coordinate.js";
import type { FleetRun } from "../../fleet/coordinator/fleet-run.js";
import type { ServerKind } from "../../fleet/coordinator/roles/kind.js";
import { failuresOf } from "../../fleet/sums/failures.js";
import { addressOf } from "../../output/sentences/fleet.js";
import { openLive } from "../../output/terminal/live.js";
import { print, printEvent, printJson, printNote, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { type Listening, listeningText, serverRows } from "../../output/text/fleet-servers.js";
import { isSameMoment, serveProgress, serveSummary } from "../../output/text/serve.js";
import type { ServeOptions } from "../../server/options.js";
import { RunMetrics } from "../run-metrics.js";
import type { ServeCommandOptions } from "../serve/options.js";
import { supervise } from "../supervise.js";
import { Ui } from "../ui/ui.js";
import { printNotesOf } from "./notes.js";
import { type FleetRunOptions, fleetOptionsOf } from "./options.js";
import { fleetMeter, lineMs } from "./pace.js";
import { startStoppable } from "./stoppable.js";

const LIVE_MS = 200;

type Run = FleetRun<ServerKind>;
/** Options as parsed from the command line, beside those of serve(). */
type Command = FleetRunOptions & Pick<ServeCommandOptions, "duration" | "json" | "metrics" | "ui">;

/**
 * @param options those of serve()
 * @returns the exit code: 1 if an agent was lost, or a handler of the protocol file threw
 */
export async function runFleetServe(options: ServeOptions, command: Command): Promise<number> {
  const ui = await Ui.open(command.ui);
  try {
    return await serveBeside(ui, options, command);
  } catch (error) {
    await ui?.fail(error);
    throw error;
  }
}

async function serveBeside(ui: Ui | undefined, options: ServeOptions, command: Command): Promise<number> {
  await using metrics = await RunMetrics.open(command.metrics);
  const families = metrics && (await import("../../output/prometheus/fleet.js"));
  const run = await startStoppable((signal) =>
    serveFleet({ ...options, durationMs: command.duration, fleet: fleetOptionsOf(command), signal }),
  );
  const ended = supervise(run);
  ended.catch(() => undefined);
  if (families) metrics?.show(() => families.fleetServerFamilies(run.members));
  if (ui) ui.show((await import("../../output/live/fleet-feed.js")).serveFleetFeed(run), () => void run.stop());
  printNotesOf(run);
  const agents = listeningOf(run);
  if (command.json) printJson({ event: "listening", run: run.id, pid: process.pid, agents });
  else print(listeningText(run.id, agents));
  const endProgress = command.json ? printSnapshots(run) : await showProgress(run);
  const result = explained(await ended.finally(endProgress));
  if (command.json) printResult({ event: "result", ...result });
  else printResult(`\n${serveSummary(result, undefined, paintFor(process.stdout))}`);
  await ui?.end(result);
  return result.fleet?.isPartial || result.script?.errors ? 1 : 0;
}

function listeningOf({ members }: Run): Listening[] {
  return members.map(({ name, address, dealt: { agent, ceiling } }) => ({
    name,
    address,
    addresses: agent.addresses,
    ceiling: ceiling.connections,
    limit: ceiling.limit,
  }));
}

function rowsOf({ members }: Run) {
  return members.map(({ name, state, address, snapshot, dealt: { agent } }) => ({
    name,
    state: state === "active" ? "serving" : state,
    address: addressOf({ address, addresses: agent.addresses }),
    open: state === "active" ? (snapshot?.open ?? 0) : 0,
    accepted: snapshot?.accepted ?? 0,
  }));
}

/** @returns a function that ends the display */
async function showProgress(run: Run): Promise<() => void> {
  const live = await openLive(process.stderr);
  const meter = fleetMeter(run);
  let last = run.snapshot();
  const timer = setInterval(
    () => {
      const snapshot = run.snapshot();
      const ratePerSec = meter.take(snapshot.elapsedMs, snapshot.accepted);
      if (live) {
        const line = serveProgress(snapshot, ratePerSec, paintFor(process.stderr));
        return live.show([line, ...serverRows(rowsOf(run))].join("\n"));
      }
      if (!isSameMoment(snapshot, last)) printNote(serveProgress(snapshot, ratePerSec));
      last = snapshot;
    },
    live ? LIVE_MS : lineMs(run),
  );
  return () => {
    clearInterval(timer);
    live?.end();
  };
}

/** @returns a function that ends the events */
function printSnapshots(run: Run): () => void {
  const timer = setInterval(() => {
    printEvent({ event: "snapshot", ...run.snapshot(), failures: failuresOf(run.members), agents: rowsOf(run) });
  }, lineMs(run)).unref();
  return () => clearInterval(timer);
}
