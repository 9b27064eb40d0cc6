// Report page of a client's run: the outcome, what stopped it, the run over time, its latencies and the kernel's
// figures.

import { missPhrases, outcomeOf } from "../../client/verdict/verdict.js";
import { momentsOf, rateOf, timelineOf } from "../../lab/observe/timeline.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import { printableData } from "../../util/printable.js";
import { formatCount, formatDuration, plural } from "../../util/units.js";
import { describeFactors, describeTimes, kernelMemory, latencyRows, NOT_MEASURABLE } from "../sentences/connect.js";
import { messageLines, unansweredNote } from "../sentences/messages.js";
import { describeEngine, describeThreads, describeTraffic, userMemory } from "../sentences/run.js";
import { drawLatency } from "./chart/latency.js";
import { drawSeries } from "./chart/series.js";
import { figure } from "./evidence.js";
import { html, type Markup } from "./markup.js";
import { commandLines, facts, formatTime, hostFacts, page, tiles } from "./page.js";
import { failureTable, kernelTable, why } from "./run-sections.js";

/** Minimum number of samples in a ramp for drawing its rate. With fewer, only the mean is meaningful. */
const WORTH_A_CURVE = 5;
const MAX_DESTINATIONS = 3;

export function connectPage(of: Explained<ConnectResult>): string {
  // Keeps commands to be copied on one line.
  const result = printableData(of);
  const title = headline(result);
  return page(
    `${title} · fourtuple connect`,
    html`<header>
<p class="eyebrow">fourtuple connect · ${formatTime(result.startedAt)}</p>
<h1>${title}</h1>
<p class="lead">To ${destinations(result)}, from ${sources(result)}. ${kernelCount(result)}</p>
${keyFigures(result)}
</header>
${why(result.diagnosis)}
${timeline(result)}
${latency(result)}
${failureTable([...result.failures, ...result.losses])}
${figures(result)}
${reproduce(result)}
<footer>Drawn by fourtuple from the run's result, format version ${result.version}. Every figure is in that result.</footer>`,
  );
}

/** The plan has a spare address, so not all of them were necessarily used. */
function sources({ plan }: ConnectResult): string {
  const most = plural(plan.sourceAddresses, "source address", "source addresses");
  return plan.sourceAddresses > 1 ? `up to ${most}` : most;
}

function headline(result: ConnectResult): string {
  const { requested, established, misses } = result;
  const outcome = outcomeOf(result);
  if (outcome === "met")
    return established === 1 ? "1 connection opened" : `All ${formatCount(established)} connections opened`;
  const reached = [`${formatCount(established)} of ${plural(requested, "connection")}`, ...missPhrases(misses)].join(
    ", ",
  );
  return outcome === "interrupted" ? `Interrupted: ${reached}` : reached;
}

function destinations({ destinations: all }: ConnectResult): string {
  const named = all.slice(0, MAX_DESTINATIONS).join(", ");
  return all.length > MAX_DESTINATIONS ? `${named} and ${formatCount(all.length - MAX_DESTINATIONS)} more` : named;
}

function kernelCount({ kernel }: ConnectResult): string {
  if (!kernel) return "The kernel's table was not read: the run was stopped before all connections were open.";
  const { outgoing, incoming, source } = kernel;
  if (outgoing === 0) return `The kernel's own table had none ESTABLISHED (${source}).`;
  const there = incoming > 0 ? `, ${formatCount(incoming)} at the server's end` : "";
  const seen = incoming === outgoing ? " at both ends" : there;
  return `The kernel's own table had ${formatCount(outgoing)} ESTABLISHED${seen} (${source}).`;
}

function keyFigures(result: ConnectResult) {
  const { established, requested, peakOpen, ratePerSec, rampMs, holdMs } = result;
  const { connect } = result.latency;
  return tiles([
    ["ESTABLISHED", formatCount(established), `of ${formatCount(requested)} requested`],
    ["Open at once", formatCount(peakOpen), `held ${formatDuration(holdMs)}`],
    ["Rate", `${formatCount(ratePerSec)}/s`, `over ${formatDuration(rampMs)}`],
    [
      "Connect, median",
      connect.count > 0 ? formatDuration(connect.p50Us / 1000) : "–",
      connect.count > 0 ? `p99 ${formatDuration(connect.p99Us / 1000)}` : undefined,
    ],
    ["Kernel memory", ...kernelMemoryTile(result)],
  ]);
}

function kernelMemoryTile(result: ConnectResult): readonly [string, string] {
  const memory = kernelMemory(result);
  if (memory === "too few") return ["–", "too few to measure"];
  if (memory === "not measurable") return ["–", `not measurable: ${NOT_MEASURABLE}`];
  const error = memory.error === undefined ? "" : `, ${memory.error}`;
  return [memory.bytes, `per connection, ${memory.ends}${error}`];
}

function timeline(result: ConnectResult): Markup | undefined {
  if (result.samples.length < 2) return undefined;
  const moments = momentsOf(result);
  const connections = timelineOf(result);
  const rate = rateOf(result);
  const isLong = (rate.lines[0]?.points.length ?? 0) >= WORTH_A_CURVE;
  return html`<section aria-labelledby="course"><h2 id="course">The run over time</h2>
${figure(connections.title, drawSeries("connections", connections, { moments }))}
${isLong ? figure(rate.title, drawSeries("rate", rate, { isStepped: true })) : undefined}</section>`;
}

function latency(result: ConnectResult): Markup | undefined {
  const rows = latencyRows(result);
  if (rows.length === 0) return undefined;
  const title = "Distribution by percentiles";
  const note = unansweredNote(result);
  return html`<section aria-labelledby="latency"><h2 id="latency">Latency</h2>
${figure(title, drawLatency("latency-chart", { kind: "latency", title, rows }))}
${note === undefined ? undefined : html`<p class="muted">${note}</p>`}</section>`;
}

function figures(result: ConnectResult): Markup {
  const { plan, traffic, evidence, established } = result;
  const userBytes = userMemory(result, established);
  return html`<section aria-labelledby="figures"><h2 id="figures">The host and the run</h2>
${facts([
  ...(result.host === undefined ? [] : hostFacts(result.host)),
  ["4-tuples", `${formatCount(plan.tuplesAvailable)}: ${describeFactors(result)}`],
  ["Taken, passed over", plan.tuplesSkipped > 0 ? formatCount(plan.tuplesSkipped) : undefined],
  ["Engine", describeEngine(result)],
  ["Threads", describeThreads(result)],
  ["Time", describeTimes(result)],
  ["User memory", userBytes && `${userBytes} per connection`],
  ["Traffic", describeTraffic(traffic)],
  ...messageLines(result).map(([label, text]) => [`${label[0]!.toUpperCase()}${label.slice(1)}`, text] as const),
])}
${kernelTable(evidence)}</section>`;
}

/** Results of older versions and of the library have no command line, so reconstruct what is known of it. */
function reproduce(result: ConnectResult): Markup {
  const { command } = result;
  return html`<section aria-labelledby="reproduce"><h2 id="reproduce">Reproduce</h2>
${command === undefined ? html`<p class="muted">As far as the result tells: rates, stages and messages are not in it.</p>` : undefined}
${commandLines([`${command ?? guessCommand(result)} > run.json`, "fourtuple report run.json"])}</section>`;
}

function guessCommand({ destinations: all, requested, holdMs, plan }: ConnectResult): string {
  const ports = plan.sourcePorts === "kernel" ? "kernel" : plan.sourcePorts.replaceAll(",", "");
  return `fourtuple connect ${all.join(" ")} -c ${requested} -T ${Math.max(1, Math.round(holdMs / 1000))}s --source-port ${ports} --json`;
}
