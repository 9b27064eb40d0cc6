// Formats a client's result as text: the summary, the warning about too few 4-tuples, and the message for a single
// failed connection.

import { missPhrases, outcomeOf } from "../../client/verdict/verdict.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import type { LatencySummary } from "../../results/histogram/latency-summary.js";
import { printableData } from "../../util/printable.js";
import { formatBytes, formatCount, formatDuration, plural } from "../../util/units.js";
import { describeFactors, describeTimes, kernelMemory, latencyRows, NOT_MEASURABLE } from "../sentences/connect.js";
import { errorNote, isLowerBound, messageLines, standstillNote, unansweredNote } from "../sentences/messages.js";
import { describePackets } from "../sentences/packets.js";
import { heartbeatLine, readyText, reopenedText, responsesText, tlsLine } from "../sentences/protocols.js";
import { describeEngine, describeFailures, describeThreads, describeTraffic, userMemory } from "../sentences/run.js";
import { scriptLines } from "../sentences/script.js";
import { type Paint, plain } from "../terminal/paint.js";
import { alignFigures, alignLabels } from "../terminal/table.js";
import { failedAttempts, namesLine, outcomesLine } from "./destinations.js";
import { becauseOf, diagnosisLines } from "./diagnosis.js";
import { fleetLines } from "./fleet.js";

/** Minimum duration of a ramp. In a shorter ramp, the shares are not meaningful. */
const WORTH_TELLING_MS = 500;
const WORTH_TELLING = 0.2;

/** Returns a summary of about 15 lines. If the target was missed, the summary explains why and what to change. */
export function connectSummary(of: Explained<ConnectResult>, paint: Paint = plain): string {
  const result = printableData(of);
  const lines = [
    headline(result, paint),
    "",
    ...alignLabels(
      [
        ["requested", formatCount(result.requested)],
        ["resolved", namesLine(result.names)],
        ["ESTABLISHED", formatCount(result.established)],
        ["TLS", tlsLine(result)],
        ["ready", readyText(result)],
        ["failed", failuresText(result.failed, result.failures)],
        ["by destination", outcomesLine(result.byDestination)],
        ["lost during hold", failuresText(result.lost, result.losses)],
        ["reopened", reopenedText(result)],
        ["time", describeTimes(result)],
        ["rate", `${formatCount(result.ratePerSec)} connections/s`],
        ["held back by", describeHeldBack(result)],
        ["user memory", describeUserMemory(result)],
        ["kernel memory", describeKernelMemory(result)],
        ["kernel's count", describeKernel(result)],
        ["4-tuples", describePlan(result)],
        ["traffic", describeTraffic(result.traffic)],
        ...messageLines(result),
        ["responses", responsesText(result)],
        ...scriptLines(result),
        ["engine", describeEngine(result)],
        ["packets", describePackets(result.packets)],
        ["heartbeats", heartbeatLine(result)],
        ["threads", describeThreads(result)],
      ],
      "  ",
    ),
    ...latencyTable(result, paint),
  ];
  if (result.fleet) lines.push("", ...fleetLines(result.fleet));
  const why = diagnosisLines(result.diagnosis, paint);
  if (why.length > 0) lines.push("", ...why);
  return lines.join("\n");
}

/** Returns the warning before a run with too few 4-tuples; undefined if there are enough. */
export function planNote(available: number, requested: number): string | undefined {
  if (available >= requested) return undefined;
  return [
    `note: only ${formatCount(available)} 4-tuples are available for ${formatCount(requested)} connections; no more can be open at once`,
    "  fix: add source addresses (--source-ip), source ports (--source-port) or a destination port (host:7777-7778)",
  ].join("\n");
}

/** Describes how far a single connection got before a signal ended it. */
export function interruptedLine({ established, holdMs }: ConnectResult): string {
  return established === 0 ? "interrupted: not connected yet" : `interrupted: held for ${formatDuration(holdMs)}`;
}

/** Returns one sentence on why a single connection failed. */
export function singleFailure(result: Explained<ConnectResult>): string {
  const { failures, destinations, names, byDestination, diagnosis } = printableData(result);
  const name = names?.find(({ used }) => used.length > 1)?.name;
  // If a name has several addresses, the attempt failed for each of them.
  const to = name === undefined ? destinations.join(", ") : `${name} (${failedAttempts(byDestination)})`;
  const meaning = diagnosis.finding?.meaning ?? diagnosis.suspects.map((suspect) => suspect.meaning).join("; or ");
  const errno = failures[0] ? `${failures[0].errno}, ` : "";
  return `no connection to ${to}${meaning === "" ? "" : `: ${errno}${meaning}`}`;
}

function headline(result: Explained<ConnectResult>, paint: Paint): string {
  const { requested, established, destinations, misses, holdMs, evidence } = result;
  const outcome = outcomeOf(result);
  const to =
    destinations.length > 3 ? `${destinations[0]} and ${destinations.length - 1} more` : destinations.join(", ");
  if (outcome === "met") return paint("good", `target met: ${plural(established, "connection")} to ${to}`);
  const phrases = missPhrases(misses);
  // A connection that the server refused at protocol level failed, although it was ESTABLISHED.
  const unready = misses?.find(({ kind }) => kind === "unready")?.count ?? 0;
  const rest = phrases.length > 0 ? ` ${unready > 0 ? "ready" : "opened"}, ${phrases.join(", ")}` : "";
  const reached = `${formatCount(established - unready)} of ${plural(requested, "connection")} to ${to}${rest}`;
  if (outcome === "missed") return paint("bad", `target missed: ${reached}${becauseOf(result.diagnosis)}`);
  const held = evidence.interrupted ? "" : `, held for ${formatDuration(holdMs)}`;
  return paint("bad", `interrupted: ${reached}${held}`);
}

function failuresText(total: number, kinds: readonly FailureReport[]): string {
  return total === 0 ? "0" : `${formatCount(total)}: ${describeFailures(kinds)}`;
}

/**
 * Describes what limited the rate on this side, if anything here did. In that case, the rate says nothing about
 * the peer.
 */
function describeHeldBack({ rampShares, rampMs }: ConnectResult): string | undefined {
  if (!rampShares || rampMs < WORTH_TELLING_MS) return undefined;
  const causes = [
    [rampShares.window, "handshakes in flight (--concurrency)"],
    [rampShares.greetings, "waiting for greetings (--concurrency)"],
    [rampShares.descriptors, "too few descriptors (ulimit -n)"],
    [rampShares.cpu, "this host's CPU"],
  ] as const;
  const told = causes.filter(([share]) => share >= WORTH_TELLING).sort(([a], [b]) => b - a);
  if (told.length === 0) return undefined;
  return told.map(([share, cause]) => `${cause} for ${Math.round(share * 100)}% of the ramp`).join(", ");
}

function describeUserMemory(result: ConnectResult): string | undefined {
  const each = userMemory(result, result.established);
  return each && `${each} per connection (RSS)`;
}

function describeKernelMemory(result: ConnectResult): string | undefined {
  const memory = kernelMemory(result);
  if (memory === "too few") return undefined;
  const { kernelBytesPerConnection: bytes, kernelErrorPerConnection: error } = result.memory;
  if (memory === "not measurable") {
    const off = error === undefined ? "" : ` ± ${formatBytes(error)}`;
    return `not measurable: ${NOT_MEASURABLE} (${bytes < 0 ? "-" : ""}${formatBytes(Math.abs(bytes))}${off} per connection)`;
  }
  const ends = memory.ends === "both ends" ? "both ends: the server runs on this host too" : memory.ends;
  return `${memory.bytes}${memory.error === undefined ? "" : ` ${memory.error}`} per connection (${ends})`;
}

function describePlan(result: ConnectResult): string {
  const { tuplesAvailable, tuplesSkipped } = result.plan;
  const skipped = tuplesSkipped > 0 ? `; ${formatCount(tuplesSkipped)} in use, skipped` : "";
  return `${formatCount(tuplesAvailable)} (${describeFactors(result)})${skipped}`;
}

function describeKernel({ kernel, endpoints, evidence, transport }: ConnectResult): string {
  if (transport === "packet") {
    const none = "no sockets at this end (transport packet)";
    return kernel ? `${none}, ${formatCount(kernel.incoming)} ESTABLISHED at the server's (${kernel.source})` : none;
  }
  if (!kernel) return "not read: the run was stopped before all connections were open";
  const ports = endpoints.length === 1 ? `port ${endpoints[0]!.port}` : "the destination ports";
  const other = kernel.incoming > 0 ? ` and ${formatCount(kernel.incoming)} from it` : "";
  const waiting = evidence.accepting?.waiting ?? 0;
  const unaccepted = waiting > 0 ? `, ${formatCount(waiting)} of them not accepted` : "";
  return `${formatCount(kernel.outgoing ?? 0)} ESTABLISHED to ${ports}${other}${unaccepted} (${kernel.source})`;
}

function latencyTable(result: ConnectResult, paint: Paint): string[] {
  const measured = latencyRows(result);
  if (measured.length === 0) return [];
  const header = ["latency", "p50", "p90", "p99", "p99.9", "max"];
  const cells = measured.map(({ name, summary }) => [
    name,
    ...percentiles(summary, (us) => summary === result.latency.roundTrip && isLowerBound(result, us)),
  ]);
  const notes = [unansweredNote(result), errorNote(result), standstillNote(result)].filter(
    (note) => note !== undefined,
  );
  return ["", ...alignFigures([header, ...cells], "  ", paint.columns), ...notes.map((note) => `  ${note}`)];
}

function percentiles(
  { p50Us, p90Us, p99Us, p999Us, maxUs }: LatencySummary,
  isBound: (us: number) => boolean,
): string[] {
  return [p50Us, p90Us, p99Us, p999Us, maxUs].map((us) => `${isBound(us) ? "≥ " : ""}${formatDuration(us / 1000)}`);
}
