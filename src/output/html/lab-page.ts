// Report page of the lab: an overview of the verdicts, then the claim, prediction, observation and evidence of each
// experiment.

import type { HostLoad } from "../../results/fields.js";
import { LAB_VERDICTS } from "../../results/identifiers.js";
import type { ExperimentResult, LabReproduction, LabResult, LabVerdict } from "../../results/lab/lab.js";
import { describeHostLoad } from "../../util/host-load.js";
import { formatCount, formatDuration, plural } from "../../util/units.js";
import { LAB_VERDICT_WORDS } from "../sentences/words.js";
import { drawEvidence } from "./evidence.js";
import { html, Markup } from "./markup.js";
import { commandLines, facts, formatTime, hostFacts, page } from "./page.js";

const MARKS: Record<LabVerdict, readonly [sign: string, className: string]> = {
  confirmed: ["✓", "confirmed"],
  refuted: ["✗", "refuted"],
  inconclusive: ["?", "inconclusive"],
  failed: ["!", "failed"],
  skipped: ["–", "impossible"],
};

const IN_HOSTS = new Markup(' in <a href="#by-hand">the two hosts</a>');
const OBSERVED = new Markup(' class="observed"');

export function labPage(result: LabResult): string {
  const title = headline(result);
  return page(
    `${title} · fourtuple lab`,
    html`<header>
<p class="eyebrow">fourtuple lab · ${formatTime(result.startedAt)}${result.isQuick ? " · quick" : ""}</p>
<h1>${title}</h1>
<p class="lead">${lead(result)}</p>
</header>
${verdicts(result.experiments)}
${result.experiments.map((each) => experiment(each, result.reproduce))}
${reproduceSection(result.reproduce)}
${host(result)}
<footer>Drawn by fourtuple from the lab's result, format version ${result.version}. Every figure is in that result.</footer>`,
  );
}

function headline({ experiments, stoppedIn }: LabResult): string {
  const stop = stoppedIn === undefined ? "" : `, stopped in ${stoppedIn}`;
  if (experiments.length === 0) return `No experiment was made${stop}`;
  const count = (verdict: LabVerdict) => experiments.filter((each) => each.verdict === verdict).length;
  const confirmed = count("confirmed");
  const all = plural(experiments.length, "experiment");
  const others = LAB_VERDICTS.filter((verdict) => verdict !== "confirmed" && count(verdict) > 0).map(
    (verdict) => `${count(verdict)} ${LAB_VERDICT_WORDS[verdict]}`,
  );
  if (others.length === 0) return `${all}, ${experiments.length === 1 ? "" : "all "}confirmed${stop}`;
  return `${formatCount(confirmed)} of ${all} confirmed, ${others.join(", ")}${stop}`;
}

function lead({ testbed, elapsedMs, experiments }: LabResult): string {
  const proof = experiments.find(({ id, verdict }) => id === "E2" && verdict === "confirmed");
  const where = testbed.kind === "namespaces" ? "Two hosts in network namespaces" : "Both ends on loopback";
  return `${proof ? `${proof.title}: ${sentence(proof.observed)} ` : ""}${where}, ${formatDuration(elapsedMs)} in total.`;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function verdicts(experiments: readonly ExperimentResult[]): Markup {
  return html`<section aria-labelledby="verdicts"><h2 id="verdicts">Verdicts</h2>
<div class="scroll"><table><caption class="hidden">Every experiment with its verdict</caption>
<thead><tr><th scope="col">Experiment</th><th scope="col">Claim and observation</th><th scope="col">Claims</th><th scope="col">Verdict</th><th scope="col" class="number">Took</th></tr></thead>
<tbody>${experiments.map(
    ({
      id,
      title,
      claim,
      claims,
      observed,
      verdict,
      elapsedMs,
    }) => html`<tr><th scope="row"><a href="#${id}">${id} ${title}</a></th>
<td data-label="Claim and observation"><span><span class="claim">${claim}</span>${observed === "-" ? undefined : observed}</span></td><td data-label="Claims">${claims.join(", ")}</td><td data-label="Verdict">${mark(verdict)}</td><td data-label="Took" class="number">${formatDuration(elapsedMs)}</td></tr>
`,
  )}</tbody></table></div>
<p class="figures">C1 to C7 are claims about 65,535, as docs/why-not-65535.md of fourtuple numbers them.</p></section>`;
}

function experiment(result: ExperimentResult, reproduce: LabReproduction | undefined): Markup {
  const { id, title, claims, claim, setup, prediction, observed, verdict, reason, commands, evidence } = result;
  const rows = [
    ["Claim", claims.length > 0 ? `${claim} (${claims.join(", ")})` : claim],
    ["Set-up", setup],
    ["Prediction", prediction],
    ["Observed", observed],
    [verdict === "confirmed" ? "Note" : "Why", reason],
    ["Host", verdict === "inconclusive" ? undefined : busyText(result.hostLoad)],
  ].filter(([, text]) => text !== undefined && text !== "" && text !== "-");
  return html`<section id="${id}" aria-labelledby="${id}-heading">
<div class="heading"><h2 id="${id}-heading"><span class="id">${id}</span> ${title}</h2>${mark(verdict)}</div>
<dl class="argument">${rows.map(([name, text]) => html`<dt>${name}</dt><dd${name === "Observed" ? OBSERVED : undefined}>${text}</dd>\n`)}</dl>
${evidence.map((each, index) => drawEvidence(each, `${id}-${index + 1}`))}
${commands.length > 0 ? html`<div class="commands"><h3>Reproduce${reproduce && IN_HOSTS}</h3>${commandLines(commands)}</div>` : undefined}
</section>`;
}

function reproduceSection(reproduce: LabReproduction | undefined): Markup | undefined {
  if (reproduce === undefined) return undefined;
  const { make, remove } = reproduce;
  return html`<section aria-labelledby="by-hand"><h2 id="by-hand">The two hosts by hand</h2>
<p class="muted">In bash, as root, with fourtuple on the PATH. Each experiment's commands can be pasted into the same shell then.</p>
<div class="commands"><h3>Make them</h3>${commandLines(make)}</div>
${remove.length > 0 ? html`<div class="commands"><h3>Remove them</h3>${commandLines(remove)}</div>` : undefined}</section>`;
}

function mark(verdict: LabVerdict): Markup {
  const [sign, className] = MARKS[verdict];
  return html`<span class="verdict ${className}"><span aria-hidden="true">${sign}</span> ${LAB_VERDICT_WORDS[verdict]}</span>`;
}

function busyText(load: HostLoad | undefined): string | undefined {
  const busy = describeHostLoad(load);
  return busy && `was busy: ${busy}`;
}

function loadText(load: HostLoad | undefined): string | undefined {
  if (load === undefined) return undefined;
  return `${Math.round(load.othersShare * 100)} % of the CPU meanwhile, ${Math.round(load.stealShare * 100)} % taken by the hypervisor (steal)`;
}

function host({ host, testbed, command, startedAt, elapsedMs, hostLoad }: LabResult): Markup {
  return html`<section aria-labelledby="host"><h2 id="host">The host</h2>
${facts([
  ...hostFacts(host),
  ["Two ends", testbed.kind === "namespaces" ? "network namespaces joined by a veth pair" : "loopback"],
  ["Why loopback", testbed.reason],
  ["Server", testbed.serverIp],
  ["Clients", testbed.clientIps],
  ["Run", `${formatTime(startedAt)}, ${formatDuration(elapsedMs)}`],
  ["Others", loadText(hostLoad)],
])}
<div class="commands"><h3>Reproduce all of it</h3>${commandLines([command])}</div></section>`;
}
