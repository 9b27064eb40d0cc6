// One chart over time: uPlot with the page's colours, a readout instead of a legend, and the phases of the run.
import uPlot from "uplot";
import { formatDuration } from "../../../util/units.js";
import type { Row } from "../feed.js";
import { colour, make } from "./dom.js";
import type { Values } from "./rows.js";

const HEIGHT = 200;
/** Space above the plot for the names of phases. */
const PHASES_HEIGHT = 18;
const FONT = '12px Inter, "Segoe UI", system-ui, -apple-system, "Helvetica Neue", Arial, sans-serif';
const AXIS_WIDTH = 70;
/** With fewer points than this, each is drawn as a dot. */
const FEW = 12;

export interface ChartSeries {
  readonly label: string;
  /** Name of a colour in the page's stylesheet. */
  readonly colour: string;
  readonly isFilled?: boolean;
  readonly isDashed?: boolean;
  values(rows: readonly Row[]): Values;
}

export interface ChartDefinition {
  readonly title: string;
  readonly series: readonly ChartSeries[];
  readonly isLog?: boolean;
  /** For bytes, round numbers are powers of two. */
  readonly isBinary?: boolean;
  /** The chart is hidden as long as all its values are zero. */
  readonly isOptional?: boolean;
  format(value: number): string;
}

interface PhaseChange {
  readonly at: number;
  readonly name: string;
}

export class Chart {
  readonly box: HTMLElement;
  readonly #definition: ChartDefinition;
  readonly #plot: uPlot;
  readonly #holder = make("div", "plot");
  readonly #figures: readonly Text[];
  readonly #time = document.createTextNode("");
  readonly #observer: ResizeObserver;
  #changes: readonly PhaseChange[] = [];

  constructor(definition: ChartDefinition, syncKey: string) {
    this.#definition = definition;
    this.#figures = definition.series.map(() => document.createTextNode(""));
    const legend = definition.series.map(({ label, colour: name }, index) => {
      const key = make("i");
      key.style.background = `var(${name})`;
      return make("span", "", key, `${label} `, this.#figures[index]!);
    });
    const readout = make("p", "readout", ...legend, make("span", "", this.#time));
    this.box = make("div", "chart", make("h2", "", definition.title), readout, this.#holder);
    this.#holder.tabIndex = 0;
    this.#holder.setAttribute("role", "img");
    this.#plot = new uPlot(this.#options(syncKey), [[], ...definition.series.map(() => [])], this.#holder);
    this.#holder.addEventListener("keydown", (event) => this.#onKey(event));
    this.#observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry!.contentRect.width);
      if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    });
    this.#observer.observe(this.#holder);
  }

  show(times: number[], rows: readonly Row[], changes: readonly PhaseChange[]): void {
    this.#changes = changes;
    const values = this.#definition.series.map((series) => series.values(rows));
    this.box.hidden =
      this.#definition.isOptional === true && !values.some((each) => each.some((value) => (value ?? 0) > 0));
    this.#plot.setData([times, ...values]);
    this.#readOut();
    const latest = values.map((each, index) => `${this.#definition.series[index]!.label} ${this.#text(lastOf(each))}`);
    this.#holder.setAttribute("aria-label", `${this.#definition.title} over time: now ${latest.join(", ")}`);
  }

  redraw(): void {
    this.#plot.redraw();
  }

  close(): void {
    this.#observer.disconnect();
    this.#plot.destroy();
  }

  #options(syncKey: string): uPlot.Options {
    const { series, format, isLog = false, isBinary = false } = this.#definition;
    const axis = {
      stroke: () => colour("--muted"),
      font: FONT,
      grid: { stroke: () => colour("--edge"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: 400,
      height: HEIGHT,
      padding: [PHASES_HEIGHT, null, null, null],
      legend: { show: false },
      cursor: { sync: { key: syncKey }, y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false }, y: isLog ? { distr: 3, range: decades } : { range: fromZero } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map(formatSeconds), space: 60 },
        {
          ...axis,
          size: AXIS_WIDTH,
          space: 34,
          values: (_, ticks) => ticks.map(format),
          ...(isLog && {
            filter: (_: uPlot, ticks: number[]) => ticks,
            splits: (_: uPlot, __: number, least: number, greatest: number) => decadesIn(least, greatest),
          }),
          ...(isBinary && { incrs: BINARY_STEPS }),
        },
      ],
      series: [
        {},
        ...series.map(({ label, colour: name, isFilled, isDashed }) => ({
          label,
          stroke: () => colour(name),
          width: isDashed ? 1.25 : 2,
          ...(isDashed && { dash: [5, 5] }),
          ...(isFilled && { fill: () => `${colour(name)}26` }),
          // A line needs two points.
          points: { show: (plot: uPlot) => plot.data[0].length < FEW, size: 5 },
          spanGaps: isLog,
        })),
      ],
      hooks: { draw: [(plot) => this.#drawPhases(plot)], setCursor: [() => this.#readOut()] },
    };
  }

  /** Shows the values at the cursor, or the newest ones without a cursor. */
  #readOut(): void {
    // uPlot sets the cursor for the first time while its constructor is still running.
    const plot = this.#plot as uPlot | undefined;
    if (!plot) return;
    const { idx } = plot.cursor;
    this.#definition.series.forEach((_, index) => {
      const values = plot.data[index + 1]!;
      const value = idx == null ? lastOf(values) : (values[idx] ?? null);
      this.#figures[index]!.data = this.#text(value);
    });
    this.#time.data = idx == null ? "" : `at ${formatDuration(Math.round(plot.data[0][idx]! * 10) * 100)}`;
  }

  #text(value: number | null): string {
    return value === null ? "–" : this.#definition.format(value);
  }

  /** Moves the cursor with the arrow keys. */
  #onKey(event: KeyboardEvent): void {
    const count = this.#plot.data[0].length;
    const at = this.#plot.cursor.idx ?? count - 1;
    const moves: Readonly<Record<string, number>> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 };
    const to = moves[event.key];
    if (event.key === "Escape") this.#plot.setCursor({ left: -10, top: -10 });
    if (to === undefined || count === 0) return;
    event.preventDefault();
    const time = this.#plot.data[0][Math.min(count - 1, Math.max(0, to))]!;
    this.#plot.setCursor({ left: this.#plot.valToPos(time, "x"), top: 1 });
  }

  #drawPhases({ ctx, bbox }: uPlot): void {
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--muted");
    ctx.font = FONT.replace("12px", `${11 * ratio}px`);
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.setLineDash([2 * ratio, 4 * ratio]);
    let free = Number.NEGATIVE_INFINITY;
    for (const { at, name } of this.#changes) {
      const x = Math.round(this.#plot.valToPos(at, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const { width } = ctx.measureText(name);
      const left = x + width > bbox.left + bbox.width ? x - width : x;
      if (left > free) ctx.fillText(name, left, bbox.top - 5 * ratio);
      free = Math.max(free, left + width + 8 * ratio);
    }
    ctx.restore();
  }
}

const BINARY_STEPS = Array.from({ length: 44 }, (_, power) => 2 ** power);

/** Starts the axis at zero, or below if there are negative values. */
function fromZero(_: uPlot, least: number | null, greatest: number | null): uPlot.Range.MinMax {
  const top = Math.max(greatest ?? 0, 0);
  const bottom = Math.min(least ?? 0, 0);
  return [bottom, top > bottom ? top + (top - bottom) * 0.08 : bottom + 1];
}

/** Returns the powers of ten that enclose the values. */
function decades(_: uPlot, least: number | null, greatest: number | null): uPlot.Range.MinMax {
  const from = 10 ** Math.floor(Math.log10(Math.max(least ?? 0.1, 0.001)));
  const to = 10 ** Math.ceil(Math.log10(Math.max(greatest ?? 1, 0.001)));
  return [from, to > from ? to : from * 10];
}

/** Returns the powers of ten, or only every second or third one if there are many. */
function decadesIn(least: number, greatest: number): number[] {
  const [from, to] = [least, greatest].map((value) => Math.round(Math.log10(value))) as [number, number];
  const step = Math.ceil((to - from + 1) / 4);
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => 10 ** (from + index * step));
}

/** Formats a tick with no more digits than it needs. */
function formatSeconds(seconds: number): string {
  return seconds < 60 ? `${Number(seconds.toFixed(2))} s` : formatDuration(Math.round(seconds) * 1000);
}

function lastOf(values: ArrayLike<number | null | undefined>): number | null {
  for (let index = values.length - 1; index >= 0; index--) if (values[index] != null) return values[index]!;
  return null;
}
