// The charts of the live page: which charts there are, and the time axis, cursor and phases
// that they share.

import uPlot from "uplot";
import { formatBytes, formatCount, formatDuration, formatRate } from "../../../util/units.js";
import type { LiveHead, Row } from "../feed.js";
import { Chart, type ChartDefinition } from "./chart.js";
import { byId, onScheme } from "./dom.js";
import { Reader, type Values } from "./rows.js";

export class Charts {
  readonly #reader: Reader;
  readonly #head: LiveHead;
  readonly #charts: readonly Chart[];
  readonly #forgetScheme: () => void;

  constructor(head: LiveHead) {
    this.#head = head;
    this.#reader = new Reader(head);
    const sync = uPlot.sync("run");
    this.#charts = definitionsOf(head, this.#reader).map((definition) => new Chart(definition, sync.key));
    byId("charts").replaceChildren(...this.#charts.map(({ box }) => box));
    this.#forgetScheme = onScheme(() => {
      for (const chart of this.#charts) chart.redraw();
    });
  }

  show(rows: readonly Row[]): void {
    const times = this.#reader.values(rows, "elapsedMs", 1000);
    const phases = this.#reader.values(rows, "phase");
    const changes = phases.flatMap((phase, index) =>
      index > 0 && phase !== phases[index - 1] ? [{ at: times[index]!, name: this.#head.phases[phase!] ?? "" }] : [],
    );
    for (const chart of this.#charts) chart.show(times as number[], rows, changes);
  }

  close(): void {
    this.#forgetScheme();
    for (const chart of this.#charts) chart.close();
  }
}

function definitionsOf({ role, latencies, requested }: LiveHead, reader: Reader): ChartDefinition[] {
  const value = (name: string) => (rows: readonly Row[]) => reader.values(rows, name);
  const rate = (name: string) => (rows: readonly Row[]) => reader.rate(rows, name);
  const perSecond = (figure: number) => `${formatRate(figure)}/s`;
  const bytesPerSecond = (figure: number) => `${formatBytes(figure)}/s`;
  const requestedLine = {
    label: "requested",
    colour: "--muted",
    isDashed: true,
    values: reader.has("requested")
      ? value("requested")
      : (rows: readonly Row[]): Values => rows.map(() => requested ?? null),
  };
  return [
    {
      title: "Connections",
      series: [
        { label: "open", colour: "--c1", isFilled: true, values: value("open") },
        ...(requested === undefined && !reader.has("requested") ? [] : [requestedLine]),
      ],
      format: formatCount,
    },
    {
      title: role === "serve" ? "Accepted per second" : "Opened per second",
      series: [
        {
          label: role === "serve" ? "accepted" : "ESTABLISHED",
          colour: "--c1",
          isFilled: true,
          values: rate("established"),
        },
      ],
      format: perSecond,
    },
    ...latencies.map(
      ({ name, label }): ChartDefinition => ({
        title: `Latency: ${label}`,
        series: [
          { label: "median", colour: "--c1", values: microseconds(reader, `${name}P50`) },
          { label: "p99", colour: "--c2", values: microseconds(reader, `${name}P99`) },
          { label: "max", colour: "--c6", values: microseconds(reader, `${name}Max`) },
        ],
        format: formatDuration,
        isLog: true,
        isOptional: true,
      }),
    ),
    ...(reader.has("sent")
      ? [
          {
            title: "Messages per second",
            series: [
              { label: "sent", colour: "--c3", values: rate("sent") },
              { label: "answered", colour: "--c5", values: rate("answered") },
            ],
            format: perSecond,
            isOptional: true,
          },
        ]
      : [
          {
            title: "Traffic",
            series: [
              { label: "received", colour: "--c3", values: rate("receivedBytes") },
              { label: "sent", colour: "--c5", values: rate("sentBytes") },
            ],
            format: bytesPerSecond,
            isBinary: true,
            isOptional: true,
          },
        ]),
    {
      title: "Failures",
      series: [
        { label: role === "serve" ? "rejected" : "failed", colour: "--bad", values: value("failed") },
        { label: role === "serve" ? "ended by RST" : "lost while open", colour: "--c2", values: value("lost") },
      ],
      format: formatCount,
      isOptional: true,
    },
    ...(reader.has("kernelBytes")
      ? [
          {
            title: "Memory",
            series: [
              { label: "kernel, since the start", colour: "--c4", values: value("kernelBytes") },
              ...(reader.has("residentBytes")
                ? [{ label: "this process", colour: "--c3", values: value("residentBytes") }]
                : []),
            ],
            format: formatBytes,
            isBinary: true,
          },
        ]
      : []),
    ...(reader.has("agentCores")
      ? [
          {
            title: "CPU of all agents",
            series: [{ label: "cores", colour: "--c5", values: value("agentCores") }],
            format: (cores: number) => cores.toFixed(2),
          },
        ]
      : []),
    ...(reader.has("cores")
      ? [
          {
            title: "CPU of this process",
            series: [{ label: "cores", colour: "--c5", values: value("cores") }],
            format: (cores: number) => cores.toFixed(2),
          },
        ]
      : []),
  ];
}

/** Latencies in milliseconds. */
function microseconds(reader: Reader, name: string) {
  return (rows: readonly Row[]): Values => reader.values(rows, name, 1000);
}
