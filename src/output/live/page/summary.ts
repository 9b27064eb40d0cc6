// The top of the page: what is running, its phase, the share of connections that are open, and the key
// figures.

import { formatBytes, formatCount, formatDuration, formatEstimate, formatRate, plural } from "../../../util/units.js";
import type { LiveHead, LiveNow, Row } from "../feed.js";
import { byId, make } from "./dom.js";
import { Reader } from "./rows.js";

interface Tile {
  readonly name: string;
  readonly figure: string;
  readonly note?: string | undefined;
  readonly isBad?: boolean;
}

export class Summary {
  readonly #head: LiveHead;
  readonly #reader: Reader;
  #phase = -1;
  #tiles: { readonly name: string; readonly box: HTMLElement; readonly figure: Text; readonly note: HTMLElement }[] =
    [];

  constructor(head: LiveHead) {
    this.#head = head;
    this.#reader = new Reader(head);
    const { role, startedAt, requested } = head;
    byId("eyebrow").textContent = `fourtuple ${role} · ${startedAt.slice(0, 16).replace("T", " ")} UTC`;
    byId("title").textContent = headingOf(head);
    byId("phases").replaceChildren(...head.phases.map((phase) => make("li", "", phase)));
    byId("tiles").replaceChildren();
    const bar = byId("progress");
    bar.hidden = requested === undefined;
    bar.setAttribute("aria-valuemax", String(requested ?? 0));
  }

  show(rows: readonly Row[], now: LiveNow): void {
    const { requested } = this.#head;
    const open = this.#reader.last(rows, "open");
    const ratePerSec = this.#reader.rate(rows.slice(-6), "established").at(-1) ?? 0;
    this.#showPhase(now);
    byId("clock").textContent = clockOf(now);
    this.#showTiles(this.#tilesOf(rows, ratePerSec, now));
    const percent = requested === undefined ? undefined : Math.floor((open / requested) * 100);
    if (requested !== undefined) {
      const bar = byId("progress");
      bar.setAttribute("aria-valuenow", String(open));
      bar.setAttribute("aria-valuetext", `${formatCount(open)} of ${formatCount(requested)} open, ${percent}%`);
      (bar.firstElementChild as HTMLElement).style.transform = `scaleX(${Math.min(1, open / requested)})`;
    }
    const name = this.#head.phases[now.phase];
    const parts = [percent === undefined ? `${formatCount(open)} open` : `${percent}%`];
    if (name !== undefined && this.#head.role !== "serve") parts.push(name);
    document.title = [...parts, "fourtuple"].join(" · ");
  }

  /** Announces a new phase to screen readers, but not every passing second. */
  #showPhase(now: LiveNow): void {
    const { phases, requested } = this.#head;
    [...byId("phases").children].forEach((item, index) => {
      item.classList.toggle("past", index < now.phase);
      if (index === now.phase) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    const isNew = now.phase !== this.#phase;
    if (!isNew && now.notes.length === 0 && !byId("status").classList.contains("lost")) return;
    this.#phase = now.phase;
    const status = byId("status");
    status.classList.remove("lost");
    const text =
      now.notes.join(" ") || `${sentence(phases[now.phase] ?? "")}${requested === undefined ? " connections" : ""}.`;
    if (status.textContent !== text) status.textContent = text;
  }

  #tilesOf(rows: readonly Row[], ratePerSec: number, now: LiveNow): Tile[] {
    const { role } = this.#head;
    if (role === "lab") return this.#lab(rows, ratePerSec, now);
    return role === "serve" ? this.#server(rows, ratePerSec) : this.#client(rows, ratePerSec);
  }

  #client(rows: readonly Row[], ratePerSec: number): Tile[] {
    const reader = this.#reader;
    const { requested = 0, latencies } = this.#head;
    const [open, failed, lost] = ["open", "failed", "lost"].map((name) => reader.last(rows, name)) as [
      number,
      number,
      number,
    ];
    const missing = requested - reader.last(rows, "established") - failed;
    const isOpening = reader.last(rows, "phase") === 0;
    const latency = latencies.findLast(({ name }) => reader.lastKnown(rows, `${name}P99`) !== undefined);
    const sent = reader.last(rows, "sent");
    return [
      {
        name: "Open",
        figure: formatCount(open),
        note: `${Math.floor((open / requested) * 100)}% of ${formatCount(requested)}`,
      },
      {
        name: "Rate",
        figure: `${formatRate(ratePerSec)}/s`,
        note:
          isOpening && ratePerSec > 0 && missing > 0 ? `${formatEstimate((missing / ratePerSec) * 1000)} to go` : " ",
      },
      ...(latencies.length > 0 ? [latencyTile(reader, rows, latency)] : []),
      ...(sent > 0
        ? [
            {
              name: "Messages",
              figure: formatCount(sent),
              note: `${formatCount(reader.last(rows, "answered"))} answered`,
            },
          ]
        : []),
      {
        name: "Failed",
        figure: formatCount(failed),
        note: `${formatCount(lost)} lost while open`,
        isBad: failed + lost > 0,
      },
      lastTile(reader, rows),
    ];
  }

  #server(rows: readonly Row[], ratePerSec: number): Tile[] {
    const reader = this.#reader;
    const last = (name: string) => reader.last(rows, name);
    return [
      {
        name: "Open",
        figure: formatCount(last("open")),
        note: reader.has("agentCores") ? "on all agents" : "on one port",
      },
      { name: "Accepted", figure: formatCount(last("established")), note: `${formatRate(ratePerSec)}/s` },
      { name: "Received", figure: formatBytes(last("receivedBytes")), note: `${formatBytes(last("sentBytes"))} sent` },
      { name: "Ended by RST", figure: formatCount(last("lost")), note: `${formatCount(last("failed"))} rejected` },
      lastTile(reader, rows),
    ];
  }

  /** Failures are not marked as bad: some experiments provoke them. */
  #lab(rows: readonly Row[], ratePerSec: number, { experiments = [] }: LiveNow): Tile[] {
    const last = (name: string) => this.#reader.last(rows, name);
    const confirmed = experiments.filter(({ state }) => state === "confirmed").length;
    const ended = experiments.filter(({ elapsedMs }) => elapsedMs !== undefined).length;
    return [
      { name: "Confirmed", figure: String(confirmed), note: `${ended} of ${experiments.length} done` },
      { name: "Open", figure: formatCount(last("open")), note: `${formatCount(last("requested"))} requested` },
      { name: "Opened", figure: formatCount(last("established")), note: `${formatRate(ratePerSec)}/s` },
      { name: "Messages", figure: formatCount(last("sent")), note: `${formatCount(last("answered"))} answered` },
      { name: "Failed", figure: formatCount(last("failed")), note: `${formatCount(last("lost"))} lost while open` },
      memoryTile(this.#reader, rows),
    ];
  }

  /** Changes only the texts, so that a screen reader does not lose its place. */
  #showTiles(tiles: readonly Tile[]): void {
    if (tiles.map(({ name }) => name).join() !== this.#tiles.map(({ name }) => name).join()) {
      this.#tiles = tiles.map(({ name }) => {
        const [figure, note] = [document.createTextNode(""), make("small")];
        return { name, figure, note, box: make("div", "", make("dt", "", name), make("dd", "", figure, note)) };
      });
      byId("tiles").replaceChildren(...this.#tiles.map(({ box }) => box));
    }
    tiles.forEach(({ figure, note = "", isBad = false }, index) => {
      const tile = this.#tiles[index]!;
      tile.figure.data = figure;
      tile.note.textContent = note;
      tile.box.classList.toggle("bad", isBad);
    });
  }
}

function headingOf({ role, title, requested = 0 }: LiveHead): string {
  if (role === "lab") return `The lab: ${title}`;
  return role === "serve" ? `Listening on ${title}` : `${plural(requested, "connection")} to ${title}`;
}

/** This is not announced to screen readers, because it changes all the time. */
function clockOf({ elapsedMs, leftMs }: LiveNow): string {
  const seconds = (ms: number) => formatDuration(Math.round(ms / 1000) * 1000);
  return `${seconds(elapsedMs)} elapsed${leftMs === undefined || leftMs < 500 ? "" : `, ${seconds(leftMs)} left`}`;
}

function latencyTile(reader: Reader, rows: readonly Row[], kind: { name: string; label: string } | undefined): Tile {
  if (!kind) return { name: "Latency", figure: "–", note: " " };
  const [p50, p99] = ["P50", "P99"].map((suffix) => reader.lastKnown(rows, `${kind.name}${suffix}`) ?? 0) as [
    number,
    number,
  ];
  return {
    name: `${sentence(kind.label)}, p99`,
    figure: formatDuration(p99 / 1000),
    note: `median ${formatDuration(p50 / 1000)}`,
  };
}

/** A fleet's coordinator knows nothing of the memory of its agents. */
function lastTile(reader: Reader, rows: readonly Row[]): Tile {
  if (!reader.has("agentCores")) return memoryTile(reader, rows);
  return { name: "CPU", figure: reader.last(rows, "agentCores").toFixed(2), note: "cores, of all agents" };
}

/** Memory per connection is meaningful only once there are many connections. */
function memoryTile(reader: Reader, rows: readonly Row[]): Tile {
  const open = reader.last(rows, "open");
  const kernel = reader.last(rows, "kernelBytes");
  // Other programs of the host may have released more than the run has taken.
  const isOwn = open >= 10_000 && kernel > 0;
  const each = isOwn ? `${formatBytes(kernel / open)} per connection` : "since the start, whole host";
  return { name: "Kernel memory", figure: `${kernel < 0 ? "" : "+"}${formatBytes(kernel)}`, note: each };
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
