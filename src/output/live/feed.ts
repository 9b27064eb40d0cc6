// What the live page receives about a run, as plain data: fixed facts once, then a row of figures and the current state
// several times per second. The server and the page share these types.

import type { BindingLimit, Usage } from "../../capacity/limits/headroom.js";
import type { RunMeasurements } from "../../engine/run/measurements.js";
import type { LabVerdict } from "../../results/lab/lab.js";
import type { PortRange } from "../../util/endpoint.js";

/** A column of the rows: its contents, and how several rows are merged into one. */
export interface Column {
  readonly name: string;
  /** `last` for counters and gauges, `max` for latencies measured per interval. */
  readonly merge: "last" | "max";
}

/** Figures at one moment, in the order of the columns; null for a figure that is not available then. */
export type Row = readonly (number | null)[];

/** A kind of latency. The columns of a latency are `<name>P50`, `<name>P99` and `<name>Max`, in microseconds. */
export interface LatencyKind {
  readonly name: string;
  readonly label: string;
}

/** One address of the port map. */
export interface LiveField {
  readonly ip: string;
  readonly role: "server" | "client";
}

export interface LivePorts {
  readonly fields: readonly LiveField[];
  readonly omittedAddresses: number;
  /** Source ports in the order in which they are used, which is the same for every client address. */
  readonly order: readonly PortRange[];
  /** The servers' ports, for each server address. */
  readonly servers: readonly (readonly number[])[];
  /** Why the clients' ports are not shown. */
  readonly note?: string | undefined;
}

/** An experiment of the lab. */
export interface LiveExperiment {
  readonly id: string;
  readonly title: string;
  readonly state: "waiting" | "running" | LabVerdict;
  /** What is being done or was observed; before that, the claim. */
  readonly text: string;
  /** How long the experiment took; undefined until it ends. */
  readonly elapsedMs: number | undefined;
}

/** An agent of a fleet. */
export interface LiveAgent {
  readonly name: string;
  /** What it is doing, or what became of it. */
  readonly state: string;
  /** Whether it is missing from the run. */
  readonly isLost: boolean;
  /** Its share of the connections, or why it is lost. */
  readonly text: string;
  readonly open: number;
  readonly ratePerSec: number;
  /** Cores that its program uses. */
  readonly cores: number;
  /** Connections that failed, were lost, or were ended by the peer. */
  readonly failed: number;
}

/** Facts about a run that do not change. */
export interface LiveHead {
  readonly role: "connect" | "serve" | "lab";
  /** Destinations of a client, the address a server listens on, or the experiments of a lab. */
  readonly title: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Number of connections requested; undefined for a server or a lab. */
  readonly requested: number | undefined;
  /** Names of the phases, in order. */
  readonly phases: readonly string[];
  readonly columns: readonly Column[];
  readonly latencies: readonly LatencyKind[];
  /** Undefined for a lab, whose experiments use different ports each, and for a fleet. */
  readonly ports: LivePorts | undefined;
}

/** State at one moment; no history of it is kept. */
export interface LiveNow {
  /** Index of the phase. */
  readonly phase: number;
  readonly elapsedMs: number;
  readonly leftMs: number | undefined;
  readonly limits: readonly Usage[];
  readonly binding: BindingLimit | undefined;
  /** Undefined if the causes are not known. */
  readonly failures: RunMeasurements["failures"] | undefined;
  /** For each address of the port map: lit ranges of positions in the order of use, as `from, to, from, to`. */
  readonly ports: readonly (readonly number[])[];
  /** Only for a lab. */
  readonly experiments?: readonly LiveExperiment[];
  /** Only for a fleet. */
  readonly agents?: readonly LiveAgent[];
  /** Conditions worth showing, such as a server that has stopped accepting because memory is low. */
  readonly notes: readonly string[];
}

/** Supplies the live page with the facts and figures of a run. */
export interface LiveFeed {
  readonly head: LiveHead;
  /** Returns the current figures. Called several times per second. */
  read(): { readonly row: Row; readonly now: LiveNow };
}

/** Events of the stream: `begin` once per connection to the stream, then `tick`s, and `end`. */
export interface BeginEvent {
  readonly head: LiveHead;
  readonly history: { readonly rows: readonly Row[]; readonly stride: number; readonly covered: number };
  readonly now: LiveNow;
}

export interface TickEvent {
  readonly row: Row;
  readonly now: LiveNow;
}

export interface EndEvent {
  /** The run's report as an HTML page; undefined if the run failed. */
  readonly report: string | undefined;
  /** File name for the saved report. */
  readonly file: string;
  readonly failure: string | undefined;
}
