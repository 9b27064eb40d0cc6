// The live page's view of a client's run.

import { cpus } from "node:os";
import { Headroom, usageOfTuples } from "../../capacity/limits/headroom.js";
import { ConnectRun } from "../../client/run.js";
import { STAGES } from "../../client/snapshot.js";
import { readMemoryUse } from "../../engine/memory-use.js";
import { CoreMeter } from "../../engine/run/core-meter.js";
import type { RunSpec } from "../../planning/run-spec.js";
import { formatHostPorts } from "../../util/endpoint.js";
import { formatCount } from "../../util/units.js";
import { HANDSHAKE_WORDS } from "../sentences/protocols.js";
import type { Column, LatencyKind, LiveFeed, LiveNow, Row } from "./feed.js";
import { LatencyWindow } from "./latency-window.js";
import { PortFill } from "./port-fill.js";

export const CONNECT_PHASES = ["opening", "holding", "waiting for answers", "closing", "closed"];

const LAST = (name: string): Column => ({ name, merge: "last" });
/** Columns that a fleet has, too. */
export const COUNT_COLUMNS = [
  "elapsedMs",
  "phase",
  "open",
  "established",
  "failed",
  "lost",
  "inFlight",
  "sent",
  "answered",
];
const COLUMNS = [...COUNT_COLUMNS, "kernelBytes", "residentBytes", "cores"].map(LAST);

export function connectFeed(run: ConnectRun): LiveFeed {
  const { spec } = run;
  const latencies = latenciesOf(spec);
  const windows = latencies.map(() => new LatencyWindow());
  const fill = new PortFill(ConnectRun.tupleUse(run));
  const headroom = new Headroom();
  const meter = new CoreMeter();
  const cores = cpus().length;
  const before = readMemoryUse();
  const read = (): { row: Row; now: LiveNow } => {
    const snapshot = run.snapshot();
    const memory = readMemoryUse();
    const { histograms, failures } = ConnectRun.measure(run);
    const used = meter.take();
    const { open, inFlight } = snapshot;
    const tuples = usageOfTuples(snapshot, run.tuplesAvailable);
    const { usages, binding } = headroom.take(open, [tuples]);
    return {
      row: [
        Math.round(snapshot.elapsedMs),
        STAGES.indexOf(snapshot.stage),
        open,
        snapshot.established,
        snapshot.failed,
        snapshot.lost,
        inFlight,
        snapshot.sentMessages,
        snapshot.answeredMessages,
        memory.kernelBytes - before.kernelBytes,
        memory.residentBytes,
        used,
        ...latencies.flatMap(({ name }, index) => windows[index]!.take(histograms[`${name}Us`]!)),
      ],
      now: {
        phase: STAGES.indexOf(snapshot.stage),
        elapsedMs: snapshot.elapsedMs,
        leftMs: snapshot.leftMs,
        limits: [...usages, { id: "cpu", name: "CPU of this process", unit: "cores", used, limit: cores }],
        binding,
        failures,
        ports: fill.spans(ConnectRun.tupleUse(run)),
        notes: [],
      },
    };
  };
  return {
    head: {
      role: "connect",
      title: titleOfSpec(spec),
      startedAt: new Date().toISOString(),
      requested: spec.connections,
      phases: CONNECT_PHASES,
      columns: [...COLUMNS, ...latencies.flatMap(latencyColumns)],
      latencies,
      ports: fill.ports,
    },
    read,
  };
}

/** Returns the kinds of latency that a run can measure. */
export function latenciesOf({ tls, protocol, opening, message }: RunSpec): LatencyKind[] {
  const kinds: { readonly name: string; readonly label: string; readonly isPossible: boolean }[] = [
    { name: "connect", label: "connect", isPossible: true },
    { name: "tls", label: "TLS handshake", isPossible: tls !== undefined },
    {
      name: "handshake",
      label: HANDSHAKE_WORDS[protocol?.name ?? "tcp"],
      isPossible: protocol !== undefined || opening !== undefined,
    },
    { name: "roundTrip", label: "round trip", isPossible: message !== undefined || protocol !== undefined },
    { name: "delivery", label: "delivery", isPossible: protocol?.name === "mqtt" },
  ];
  return kinds.filter(({ isPossible }) => isPossible).map(({ name, label }) => ({ name, label }));
}

export function latencyColumns({ name }: LatencyKind): Column[] {
  return ["P50", "P99", "Max"].map((suffix) => ({ name: `${name}${suffix}`, merge: "max" }));
}

export function titleOfSpec({ destinations }: Pick<RunSpec, "destinations">): string {
  const [first, ...others] = destinations;
  const range = formatHostPorts(first!);
  return others.length > 0 ? `${range} and ${formatCount(others.length)} more` : range;
}
