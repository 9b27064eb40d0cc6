// Shows the progress of a load on standard error: a panel on a terminal, otherwise a line every second.

import { ConnectRun } from "../../client/run.js";
import type { ConnectSnapshot } from "../../client/snapshot.js";
import { type Live, openLive } from "../../output/terminal/live.js";
import { printNote } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { RateMeter } from "../../output/terminal/rate-meter.js";
import { connectLine, connectPanel, type Phases, type Progress } from "../../output/text/connect-progress.js";
import { planNote } from "../../output/text/connect-summary.js";
import type { RunSpec } from "../../planning/run-spec.js";
import type { Measured } from "./measured.js";

const LIVE_MS = 200;
const LINE_MS = 1000;
/** Maximum interval between lines while nothing changes. */
const QUIET_MS = 10_000;

/**
 * @param isSilent whether to show only the panel, because a program reads standard output
 * @returns a function that stops the display
 */
export async function showProgress(run: ConnectRun, isSilent: boolean): Promise<() => void> {
  const note = planNote(run.tuplesAvailable, run.spec.connections);
  if (note) printNote(note);
  const live = await openLive(process.stderr);
  // Only the panel shows limits, whose code a run would otherwise not load.
  const measured = live && new (await import("./measured.js")).Measured(run);
  const timer = live || !isSilent ? startShowing(run, live, measured) : undefined;
  return () => {
    clearInterval(timer);
    live?.end();
  };
}

function startShowing(run: ConnectRun, live: Live | undefined, measured: Measured | undefined): NodeJS.Timeout {
  const meter = new RateMeter();
  const facts = progressFacts(run.spec);
  let last = "";
  let lastMs = 0;
  return setInterval(
    () => {
      const snapshot = run.snapshot();
      const ratePerSec = meter.take(snapshot.elapsedMs, snapshot.ready);
      const progress = { ...facts, snapshot, ratePerSec, ...measured?.take(snapshot, ratePerSec) };
      if (live) return live.show(connectPanel(progress, paintFor(process.stderr)));
      const state = whatChanges(snapshot);
      if (state === last && snapshot.elapsedMs - lastMs < QUIET_MS) return;
      last = state;
      lastMs = snapshot.elapsedMs;
      const hasFailures = snapshot.failed + snapshot.lost > 0;
      printNote(connectLine(hasFailures ? { ...progress, failures: ConnectRun.measure(run).failures } : progress));
    },
    live ? LIVE_MS : LINE_MS,
  );
}

/** Returns what the progress of a run says throughout. */
export function progressFacts(spec: RunSpec): Pick<Progress, "isShortLived" | "messageNoun" | "phases"> {
  const messageNoun = spec.protocol?.name === "http" ? "requests" : "messages";
  return { isShortLived: spec.closeAfterGreeting, messageNoun, phases: phasesOf(spec) };
}

function phasesOf({ protocol, tls, opening }: RunSpec): Phases | undefined {
  if (protocol === undefined && tls === undefined && opening === undefined) return undefined;
  return { isSecure: tls !== undefined, protocol: protocol?.name };
}

function whatChanges(snapshot: ConnectSnapshot): string {
  const { stage, established, ready, open, failed, lost, inFlight, sentMessages, answeredMessages } = snapshot;
  return [stage, established, ready, open, failed, lost, inFlight, sentMessages, answeredMessages].join();
}
