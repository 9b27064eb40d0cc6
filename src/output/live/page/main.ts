// Script of the live page: follows the stream of a run's events, draws them, and finally shows the report.
import type { BeginEvent, EndEvent, LiveHead, LiveNow, TickEvent } from "../feed.js";
import { History } from "../history.js";
import { showAgents } from "./agents.js";
import { Charts } from "./charts.js";
import { byId } from "./dom.js";
import { showExperiments } from "./experiments.js";
import { HistoryTable } from "./history-table.js";
import { showFailures, showLimits } from "./limits.js";
import { PortMaps } from "./port-maps.js";
import { becomeReport } from "./report.js";
import { StopButton } from "./stop-button.js";
import { Summary } from "./summary.js";

/** Where the figures come from, if not from a client's run, for which the page itself says it. */
const ORIGINS: Partial<Record<LiveHead["role"], string>> = {
  lab: "Live from the counters of the lab's clients. The experiments read the kernel's tables, for the report that replaces this page.",
  serve:
    "Live from the server's own counters. The kernel's table is read at the end, for the report that replaces this page.",
};

const FLEET_ORIGIN =
  "Live from the counters that the agents send every second. Latencies and the kernel's tables are in the report that replaces this page.";

/** The parts of the page that show one run. */
class RunView {
  readonly #head: LiveHead;
  readonly #history: History;
  readonly #summary: Summary;
  readonly #charts: Charts;
  readonly #maps: PortMaps | undefined;
  readonly #table: HistoryTable;

  constructor({ head, history, now }: BeginEvent) {
    this.#head = head;
    this.#history = new History(head.columns, history);
    this.#summary = new Summary(head);
    this.#charts = new Charts(head);
    this.#maps = head.ports && new PortMaps(head, head.ports);
    byId("ports-section").hidden = head.ports === undefined;
    byId("failures-section").hidden = now.failures === undefined;
    byId("experiments-section").hidden = now.experiments === undefined;
    byId("agents-section").hidden = now.agents === undefined;
    byId("limits-section").hidden = now.agents !== undefined;
    const origin = now.agents ? FLEET_ORIGIN : ORIGINS[head.role];
    if (origin) byId("origin").textContent = origin;
    this.#table = new HistoryTable(head);
    this.#draw(now);
  }

  tick({ row, now }: TickEvent): void {
    this.#history.add(row);
    this.#draw(now);
  }

  /** Releases what was drawn for this run before another run takes its place. */
  close(): void {
    this.#charts.close();
    this.#maps?.close();
  }

  #draw(now: LiveNow): void {
    const { rows } = this.#history;
    this.#summary.show(rows, now);
    this.#charts.show(rows);
    this.#maps?.show(now.ports, rows.at(-1)?.[this.#head.columns.findIndex(({ name }) => name === "open")] ?? 0);
    this.#table.show(rows);
    showLimits(now);
    showFailures(now);
    showExperiments(now);
    showAgents(now);
  }
}

const stop = new StopButton();
const stream = new EventSource("events");
let view: RunView | undefined;

stream.addEventListener("begin", ({ data }) => {
  view?.close();
  stop.show();
  view = new RunView(JSON.parse(data) as BeginEvent);
});
stream.addEventListener("tick", ({ data }) => view?.tick(JSON.parse(data) as TickEvent));
stream.addEventListener("end", ({ data }) => {
  stream.close();
  const { report, file, failure } = JSON.parse(data) as EndEvent;
  stop.hide();
  if (report === undefined) say(`The run failed: ${failure}`);
  else {
    view?.close();
    becomeReport(report, file);
  }
});
// The browser reconnects by itself.
stream.addEventListener("error", () => say("The run does not answer. It may have ended; trying again…"));

function say(text: string): void {
  const status = byId("status");
  status.textContent = text;
  status.classList.add("lost");
}
