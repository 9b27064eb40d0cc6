// Runs `fourtuple connect --fleet`: shows the deal, the merged progress with a row per agent, and the merged result.

import { summarizeLatencies } from "../../client/result/latencies.js";
import { explained } from "../../diagnosis/explain.js";
import { withoutContents } from "../../fleet/contents.js";
import { connectFleet, type FleetProgress } from "../../fleet/coordinate.js";
import type { FleetRun } from "../../fleet/coordinator/fleet-run.js";
import { failuresOf } from "../../fleet/sums/failures.js";
import { latenciesOf } from "../../fleet/sums/latencies.js";
import { openLive } from "../../output/terminal/live.js";
import { printEvent, printNote, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { connectLine, connectPanel } from "../../output/text/connect-progress.js";
import { connectSummary } from "../../output/text/connect-summary.js";
import { agentRows, dealText } from "../../output/text/fleet.js";
import type { ConnectResult } from "../../results/connect.js";
import { commandLine } from "../command-line.js";
import { type ConnectCommandOptions, connectOptionsOf, exitCodeOf } from "../connect/options.js";
import { progressFacts } from "../connect/progress.js";
import { RunMetrics } from "../run-metrics.js";
import { Interrupted, type StopSignal, supervise } from "../supervise.js";
import { Ui } from "../ui/ui.js";
import { printLine, printNotesOf } from "./notes.js";
import { fleetOptionsOf, refuseWithFleet } from "./options.js";
import { fleetMeter, lineMs } from "./pace.js";
import { startStoppable } from "./stoppable.js";

const LIVE_MS = 200;

/** @returns the exit code */
export async function runFleetConnect(to: readonly string[], options: ConnectCommandOptions): Promise<number> {
  refuseWithFleet(options);
  const ui = await Ui.open(options.ui);
  try {
    return await runBeside(ui, to, options);
  } catch (error) {
    await ui?.fail(error);
    throw error;
  }
}

async function runBeside(ui: Ui | undefined, to: readonly string[], options: ConnectCommandOptions): Promise<number> {
  const { json, quiet } = options;
  await using metrics = await RunMetrics.open(options.metrics);
  const families = metrics && (await import("../../output/prometheus/fleet.js"));
  const progress: FleetProgress = {
    dealt: (id, dealt, notes) => {
      if (json) printEvent({ event: "dealt", run: id, agents: dealt });
      else if (!quiet) printNote(dealText(id, dealt));
      for (const note of notes) printLine(`note: ${note}`);
    },
  };
  const run = await startStoppable((signal) =>
    connectFleet({ ...connectOptionsOf(to, options), fleet: fleetOptionsOf(options), signal }, progress),
  );
  let stoppedBy: StopSignal | undefined;
  const ended = supervise(run, (signal) => {
    stoppedBy = signal;
  });
  ended.catch(() => undefined);
  if (families) metrics?.show(() => families.fleetClientFamilies(run.members));
  if (ui) ui.show((await import("../../output/live/fleet-feed.js")).connectFleetFeed(run), () => void run.stop());
  if (json)
    printEvent({
      event: "started",
      pid: process.pid,
      run: run.id,
      spec: withoutContents(run.spec),
      ...(ui && { ui: ui.url }),
    });
  printNotesOf(run);
  const endProgress = quiet ? undefined : json ? printSnapshots(run) : await showProgress(run);
  const ran = await ended
    .catch((error: unknown) => {
      // Before the start, no agent has a result.
      throw stoppedBy && run.snapshot().established === 0 ? new Interrupted(stoppedBy) : error;
    })
    .finally(() => endProgress?.());
  const result = explained(ran);
  if (json) printResult({ event: "result", ...result, command: commandLine() });
  else printResult(connectSummary(result, paintFor(process.stdout)));
  await ui?.end({ ...result, command: json ? commandLine() : `${commandLine()} --json` });
  // A run that ended because of a lost agent was not interrupted by anybody.
  if (!stoppedBy && result.outcome === "interrupted" && result.fleet?.isPartial) return 1;
  return exitCodeOf(result, stoppedBy);
}

/** @returns a function that ends the display */
async function showProgress(run: FleetRun): Promise<() => void> {
  const live = await openLive(process.stderr);
  const meter = fleetMeter(run);
  const facts = progressFacts(run.spec);
  let last = "";
  let latency: ConnectResult["latency"] | undefined;
  let measuredMs = Number.NEGATIVE_INFINITY;
  const timer = setInterval(
    () => {
      const snapshot = run.snapshot();
      const progress = {
        ...facts,
        snapshot,
        ratePerSec: meter.take(snapshot.elapsedMs, snapshot.ready),
        failures: failuresOf(run.members),
      };
      if (live) {
        if (snapshot.elapsedMs - measuredMs >= run.heartbeatMs) {
          measuredMs = snapshot.elapsedMs;
          latency = summarizeLatencies(latenciesOf(run.members));
        }
        return live.show(
          [connectPanel({ ...progress, latency }, paintFor(process.stderr)), ...agentRows(rowsOf(run))].join("\n"),
        );
      }
      const { elapsedMs: _, leftMs: __, ...counts } = snapshot;
      const state = JSON.stringify(counts);
      if (state === last) return;
      last = state;
      printNote(connectLine(progress));
    },
    live ? LIVE_MS : lineMs(run),
  );
  return () => {
    clearInterval(timer);
    live?.end();
  };
}

function rowsOf({ members }: FleetRun) {
  return members.map(({ name, state, requested, snapshot }) => ({
    name,
    state: state === "active" ? (snapshot?.stage ?? "starting") : state,
    requested,
    open: state === "active" ? (snapshot?.open ?? 0) : 0,
    failed: snapshot?.failed ?? 0,
  }));
}

/** @returns a function that ends the events */
function printSnapshots(run: FleetRun): () => void {
  const timer = setInterval(() => {
    printEvent({ event: "snapshot", ...run.snapshot(), failures: failuresOf(run.members), agents: rowsOf(run) });
  }, lineMs(run)).unref();
  return () => clearInterval(timer);
}
