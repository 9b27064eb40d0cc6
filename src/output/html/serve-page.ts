// Report page of a server: the connections it accepted and held, what kept it from accepting more, and the kernel's
// figures.

import type { Explained } from "../../results/diagnosis.js";
import type { ServeResult } from "../../results/serve.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { formatBytes, formatCount, formatDuration, plural } from "../../util/units.js";
import { describeEngine, describeOverflows, describeThreads, describeTraffic, userMemory } from "../sentences/run.js";
import { html, type Markup } from "./markup.js";
import { commandLines, facts, formatTime, page, tiles } from "./page.js";
import { failureTable, kernelTable, why } from "./run-sections.js";

export function servePage(result: Explained<ServeResult>): string {
  const at = formatEndpoint(result.address.ip, result.address.port);
  const title = `${plural(result.peakOpen, "connection")} at once on ${at}`;
  return page(
    `${title} · fourtuple serve`,
    html`<header>
<p class="eyebrow">fourtuple serve · ${formatTime(result.startedAt)}</p>
<h1>${title}</h1>
<p class="lead">It listened for ${formatDuration(result.elapsedMs)}. ${kernelCount(result)}</p>
${keyFigures(result)}
</header>
${why(result.diagnosis)}
${failureTable(result.failures)}
${figures(result)}
<section aria-labelledby="reproduce"><h2 id="reproduce">Reproduce</h2>
<p class="muted">As far as the result tells: the mode and other options are not in it.</p>
${commandLines([`fourtuple serve ${at} --backlog ${result.backlog.length} --json > serve.json`, "fourtuple report serve.json"])}</section>
<footer>Drawn by fourtuple from the server's result, format version ${result.version}. Every figure is in that result.</footer>`,
  );
}

function kernelCount({ kernel }: ServeResult): string {
  if (!kernel) return "The kernel's table was not read when it stopped.";
  return `The kernel's own table had ${formatCount(kernel.sockets)} ESTABLISHED on its port when it stopped (${kernel.source}).`;
}

function keyFigures(result: ServeResult): Markup {
  const { accepted, peakOpen, openAtStop, rejected, elapsedMs } = result;
  const userBytes = userMemory(result, peakOpen);
  return tiles([
    ["Accepted", formatCount(accepted), `over ${formatDuration(elapsedMs)}`],
    ["Open at once", formatCount(peakOpen), `${formatCount(openAtStop)} when it stopped`],
    ["Rejected", formatCount(rejected), "above --max-connections"],
    ["User memory", userBytes ?? "–", userBytes === undefined ? "too few to measure" : "per connection"],
  ]);
}

function figures(result: ServeResult): Markup {
  const { backlog, tableFull, memory } = result;
  return html`<section aria-labelledby="figures"><h2 id="figures">The server</h2>
${facts([
  ["Backlog", formatCount(backlog.length)],
  ["Dropped by its accept queue", backlog.drops === undefined ? undefined : formatCount(backlog.drops)],
  ["Accept queues of the host", describeOverflows(backlog)],
  ["Engine", describeEngine(result)],
  ["Threads", describeThreads(result)],
  ["Tables full", tableFull > 0 ? plural(tableFull, "time") : undefined],
  ["Memory", `${formatBytes(memory.residentBytes)} (RSS)`],
  ["Traffic", describeTraffic(result)],
])}
${kernelTable(result.evidence)}</section>`;
}
