// Formats a client's progress as text: a panel for a terminal, otherwise a line.

import type { BindingLimit } from "../../capacity/limits/headroom.js";
import type { ConnectSnapshot } from "../../client/snapshot.js";
import type { RunMeasurements } from "../../engine/run/measurements.js";
import type { ConnectResult } from "../../results/connect.js";
import { printable } from "../../util/printable.js";
import { formatCount, formatDuration, formatEstimate } from "../../util/units.js";
import { latencyRows } from "../sentences/connect.js";
import { describeFailures } from "../sentences/run.js";
import { widthOf } from "../terminal/columns.js";
import { type Paint, plain } from "../terminal/paint.js";
import { sparkline } from "./sparkline.js";

/** Width of the bar where the width of the terminal is unknown. */
const BAR = 30;
const SHORTEST_BAR = 10;
const LONGEST_BAR = 60;
/** Number of causes shown; most failures of a run have the same one. */
const CAUSES = 3;

export interface Progress {
  readonly snapshot: ConnectSnapshot;
  /** Connections that became ready per second. */
  readonly ratePerSec: number;
  /**
   * True if connections are closed once greeted. Few connections are then open at once, so progress is measured by the
   * number opened so far.
   */
  readonly isShortLived: boolean;
  /** Word for the messages; default `messages`. */
  readonly messageNoun?: "messages" | "requests";
  /** Phases between ESTABLISHED and ready; undefined for plain TCP, whose connections are ready when ESTABLISHED. */
  readonly phases?: Phases | undefined;
  /** Failures and losses so far by step and cause, most frequent first. */
  readonly failures?: RunMeasurements["failures"] | undefined;
  /** Latencies so far. */
  readonly latency?: ConnectResult["latency"] | undefined;
  /** Rates since the start of the ramp, the oldest first. */
  readonly rates?: readonly number[] | undefined;
  /** The limit that further connections would reach first. */
  readonly binding?: BindingLimit | undefined;
}

export interface Phases {
  readonly isSecure: boolean;
  readonly protocol: ConnectResult["protocol"];
}

/** Returns a bar, current figures, times, latencies, and the limit ahead. */
export function connectPanel(progress: Progress, paint: Paint = plain): string {
  const { snapshot, ratePerSec, rates = [] } = progress;
  const { failed, lost, stage } = snapshot;
  const figures = [
    stage === "ramp" && rates.length > 1 ? paint("accent", sparkline(rates)) : undefined,
    ...ramp(snapshot, ratePerSec),
    ...reachedPhases(progress),
    failed > 0 ? paint("bad", `failed ${formatCount(failed)}`) : "failed 0",
    lost > 0 ? paint("bad", `lost ${formatCount(lost)}`) : undefined,
    reopened(snapshot),
    messages(progress),
  ];
  return [
    ...reachedBar(progress, paint),
    join(figures),
    paint(
      "dim",
      join([describeStage(snapshot), `elapsed ${formatDuration(snapshot.elapsedMs)}`, left(snapshot, ratePerSec)]),
    ),
    ...causes(progress).map((line) => paint("bad", line)),
    ...latencies(progress).map((line) => paint("dim", line)),
    ...limitAhead(progress, paint),
  ].join("\n");
}

/**
 * Returns a bar as wide as the terminal allows, with the share and the count beside it, or below it on a narrow
 * terminal.
 */
function reachedBar(progress: Progress, paint: Paint): string[] {
  const { requested } = progress.snapshot;
  const [reached, word] = reachedBy(progress);
  const share = Math.min(1, reached / requested);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const words = `${percent}  ${paint("bold", formatCount(reached))} of ${formatCount(requested)} ${word}`;
  const { columns } = paint;
  const room = columns === undefined ? BAR : Math.min(LONGEST_BAR, columns - widthOf(words) - 2);
  const isBeside = room >= SHORTEST_BAR;
  const width = isBeside ? room : Math.min(LONGEST_BAR, columns ?? BAR);
  const filled = Math.floor(share * width);
  const bar = paint("accent", "█".repeat(filled)) + paint("dim", "░".repeat(width - filled));
  return isBeside ? [`${bar}  ${words}`] : [bar, words.trimStart()];
}

/** Says which limit comes next; the text stands out if the limit comes before all connections are open. */
function limitAhead({ snapshot, binding }: Progress, paint: Paint): string[] {
  if (!binding || (snapshot.stage !== "ramp" && snapshot.stage !== "hold")) return [];
  const text = `next limit: ${binding.name}, at about ${formatCount(Number(binding.connections.toPrecision(2)))} connections`;
  return [paint(binding.connections < snapshot.requested ? "bad" : "dim", text)];
}

/** Returns the progress on one line, which begins with the time since the start. */
export function connectLine(progress: Progress): string {
  const { snapshot, ratePerSec } = progress;
  const { requested, failed, lost } = snapshot;
  const [reached, word] = reachedBy(progress);
  return join([
    `${Math.round(snapshot.elapsedMs / 1000)} s   ${describeStage(snapshot)}`,
    `${word} ${formatCount(reached)} of ${formatCount(requested)}`,
    ...ramp(snapshot, ratePerSec),
    ...reachedPhases(progress),
    `failed ${formatCount(failed)}`,
    lost > 0 ? `lost ${formatCount(lost)}` : undefined,
    ...causes(progress),
    reopened(snapshot),
    messages(progress),
    left(snapshot, ratePerSec),
  ]);
}

/** Returns a text such as `failures: 3 ECONNREFUSED (connect)`. */
function causes({ failures = [] }: Progress): string[] {
  if (failures.length === 0) return [];
  const kinds = failures.slice(0, CAUSES).map(({ phase, cause, count }) => ({ phase, errno: cause, count }));
  const others = failures.slice(CAUSES).reduce((sum, { count }) => sum + count, 0);
  const rest = others > 0 ? `, ${formatCount(others)} others` : "";
  return [printable(`failures: ${describeFailures(kinds)}${rest}`)];
}

function reachedBy({ snapshot, isShortLived }: Progress): [count: number, word: string] {
  return isShortLived ? [snapshot.established, "opened"] : [snapshot.open, "open"];
}

/** Returns figures that matter only while connections are being opened. */
function ramp({ stage, inFlight }: ConnectSnapshot, ratePerSec: number): string[] {
  return stage === "ramp" ? [`rate ${formatCount(ratePerSec)}/s`, `in flight ${formatCount(inFlight)}`] : [];
}

/** Returns how many connections have reached each phase, until all that are ESTABLISHED are ready. */
function reachedPhases({ snapshot, phases }: Progress): string[] {
  const { stage, established, secured, ready } = snapshot;
  if (phases === undefined || (stage !== "ramp" && ready === established)) return [];
  return [
    `ESTABLISHED ${formatCount(established)}`,
    ...(phases.isSecure ? [`TLS ${formatCount(secured)}`] : []),
    `ready ${formatCount(ready)}`,
  ];
}

function latencies({ latency, phases }: Progress): string[] {
  const rows = latency ? latencyRows({ latency, protocol: phases?.protocol }) : [];
  if (rows.length === 0) return [];
  return [join(["p99", ...rows.map(({ name, summary }) => `${name} ${formatDuration(summary.p99Us / 1000)}`)])];
}

function describeStage({ stage }: ConnectSnapshot): string {
  return { ramp: "opening", hold: "holding", drain: "waiting for answers", close: "closing", closed: "closed" }[stage];
}

function reopened({ reopenedAnnounced, reopenedIdle, reopenedCutShort }: ConnectSnapshot): string | undefined {
  const count = reopenedAnnounced + reopenedIdle + reopenedCutShort;
  return count > 0 ? `reopened ${formatCount(count)}` : undefined;
}

function messages({ snapshot, messageNoun = "messages" }: Progress): string | undefined {
  const { sentMessages, answeredMessages } = snapshot;
  if (sentMessages === 0) return undefined;
  return `${messageNoun} ${formatCount(sentMessages)} sent, ${formatCount(answeredMessages)} answered`;
}

function left(
  { stage, requested, ready, failed, leftMs, requestedMessages, answeredMessages }: ConnectSnapshot,
  ratePerSec: number,
): string | undefined {
  if (stage === "drain") return "up to 1 s";
  if (stage === "close" || stage === "closed") return undefined;
  if (stage === "hold") {
    if (leftMs !== undefined) return `${formatDuration(leftMs)} left`;
    return requestedMessages === undefined
      ? "until Ctrl-C"
      : `${formatCount(requestedMessages - answeredMessages)} to go`;
  }
  const missing = requested - ready - failed;
  return ratePerSec > 0 && missing > 0 ? `ETA ${formatEstimate((missing / ratePerSec) * 1000)}` : undefined;
}

function join(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join("   ");
}
