// Formats a client's progress as text: a panel for a terminal, otherwise a line.

import type { ConnectSnapshot } from "../../client/snapshot.js";
import { formatCount, formatDuration, formatEstimate } from "../../util/units.js";
import { type Paint, plain } from "../terminal/paint.js";

const BAR = 30;

/** Returns three lines: a bar, current figures and times. @param ratePerSec established connections per second */
export function connectPanel(snapshot: ConnectSnapshot, ratePerSec: number, paint: Paint = plain): string {
  const { open, requested, failed, lost } = snapshot;
  const filled = Math.min(BAR, Math.floor((open / requested) * BAR));
  const bar = paint("accent", "█".repeat(filled)) + paint("dim", "░".repeat(BAR - filled));
  const figures = [
    ...ramp(snapshot, ratePerSec),
    failed > 0 ? paint("bad", `failed ${formatCount(failed)}`) : "failed 0",
    lost > 0 ? paint("bad", `lost ${formatCount(lost)}`) : undefined,
    messages(snapshot),
  ];
  return [
    `${bar}  ${paint("bold", formatCount(open))} of ${formatCount(requested)} open`,
    join(figures),
    paint(
      "dim",
      join([describeStage(snapshot), `elapsed ${formatDuration(snapshot.elapsedMs)}`, left(snapshot, ratePerSec)]),
    ),
  ].join("\n");
}

/** Returns the same figures on one line. */
export function connectLine(snapshot: ConnectSnapshot, ratePerSec: number): string {
  const { open, requested, failed, lost } = snapshot;
  return join([
    `${describeStage(snapshot)} ${Math.round(snapshot.elapsedMs / 1000)} s`,
    `open ${formatCount(open)} of ${formatCount(requested)}`,
    ...ramp(snapshot, ratePerSec),
    `failed ${formatCount(failed)}`,
    lost > 0 ? `lost ${formatCount(lost)}` : undefined,
    messages(snapshot),
    left(snapshot, ratePerSec),
  ]);
}

/** Returns figures that matter only while connections are being opened. */
function ramp({ stage, inFlight }: ConnectSnapshot, ratePerSec: number): string[] {
  return stage === "ramp" ? [`rate ${formatCount(ratePerSec)}/s`, `in flight ${formatCount(inFlight)}`] : [];
}

function describeStage({ stage }: ConnectSnapshot): string {
  return { ramp: "opening", hold: "holding", drain: "waiting for answers", close: "closing", closed: "closed" }[stage];
}

function messages({ sentMessages, answeredMessages }: ConnectSnapshot): string | undefined {
  if (sentMessages === 0) return undefined;
  return `messages ${formatCount(sentMessages)} sent, ${formatCount(answeredMessages)} answered`;
}

function left(
  { stage, requested, established, failed, leftMs }: ConnectSnapshot,
  ratePerSec: number,
): string | undefined {
  if (stage === "drain") return "up to 1 s";
  if (stage === "close" || stage === "closed") return undefined;
  if (stage === "hold") return leftMs === undefined ? "until Ctrl-C" : `${formatDuration(leftMs)} left`;
  const missing = requested - established - failed;
  return ratePerSec > 0 && missing > 0 ? `ETA ${formatEstimate((missing / ratePerSec) * 1000)}` : undefined;
}

function join(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join("   ");
}
