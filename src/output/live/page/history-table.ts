// The same figures as in the charts, as a table for reading or copying them. The table is filled only while it is
// open.

import { formatCount, formatDuration } from "../../../util/units.js";
import type { LiveHead, Row } from "../feed.js";
import { byId, make } from "./dom.js";

const MOST_ROWS = 120;
const NAMES: Readonly<Record<string, string>> = {
  elapsedMs: "time",
  inFlight: "in flight",
  kernelBytes: "kernel memory (KiB)",
  residentBytes: "resident memory (KiB)",
  receivedBytes: "received (KiB)",
  sentBytes: "sent (KiB)",
};

export class HistoryTable {
  readonly #head: LiveHead;
  readonly #details = byId<HTMLDetailsElement>("figures");
  readonly #table = byId<HTMLTableElement>("history");
  #rows: readonly Row[] = [];

  constructor(head: LiveHead) {
    this.#head = head;
    const cells = head.columns.map(({ name }) => {
      const cell = make("th", "number", NAMES[name] ?? spelledOut(name, head));
      cell.scope = "col";
      return cell;
    });
    this.#table.tHead!.replaceChildren(make("tr", "", ...cells));
    // A scrollable element must be reachable by keyboard.
    byId("scroll").tabIndex = 0;
    this.#details.ontoggle = () => this.#draw();
  }

  show(rows: readonly Row[]): void {
    this.#rows = rows;
    this.#draw();
  }

  #draw(): void {
    if (!this.#details.open) return;
    const newest = this.#rows.slice(-MOST_ROWS).toReversed();
    this.#table.tBodies[0]!.replaceChildren(
      ...newest.map((row) =>
        make(
          "tr",
          "",
          ...this.#head.columns.map(({ name }, index) => make("td", "number", this.#cell(name, row[index] ?? null))),
        ),
      ),
    );
  }

  #cell(name: string, value: number | null): string {
    if (value === null) return "–";
    if (name === "phase") return this.#head.phases[value] ?? "";
    if (name === "elapsedMs") return formatDuration(value);
    if (name.endsWith("Bytes")) return formatCount(value / 1024);
    if (name === "cores") return value.toFixed(2);
    return /(P50|P99|Max)$/.test(name) ? formatDuration(value / 1000) : formatCount(value);
  }
}

/** Turns `connectP99` into `connect p99`. */
function spelledOut(name: string, { latencies }: LiveHead): string {
  const [, kind, figure] = /^(.+)(P50|P99|Max)$/.exec(name) ?? [];
  if (kind === undefined) return name;
  return `${latencies.find((each) => each.name === kind)?.label ?? kind} ${figure!.toLowerCase()}`;
}
