// Presents the metrics of a client or a server as metric families, from the declarations of its role
// (engine/metrics.ts).
import { CLIENT_METRICS } from "../../client/metrics.js";
import { type ConnectSnapshot, STAGES } from "../../client/snapshot.js";
import { familiesOf } from "../../engine/metric-names.js";
import type { MetricDefinitions, Metrics } from "../../engine/metrics.js";
import type { RunMeasurements } from "../../engine/run/measurements.js";
import { SERVER_METRICS } from "../../server/metrics.js";
import type { ServeSnapshot } from "../../server/snapshot.js";
import { bucketsOf } from "./buckets.js";
import { counter, type Description, described, type Family, filled, gauge, only, type Sample } from "./families.js";
import { processFamilies } from "./process.js";
import { scriptFamilies } from "./script.js";

const FAILURES = counter("Failures, by step in a connection's life and by cause.", "phase", "cause");

const CLIENT = {
  failures: FAILURES,
  requested: gauge("Connections requested."),
  wanted: gauge("Connections that the schedule wants to be open at this moment."),
  stage: gauge("1 for the current stage: ramp, hold, drain, close or closed; 0 for the others.", "stage"),
};

const SERVER = {
  failures: FAILURES,
  peak_open: gauge("Highest number of connections open at the same time."),
  threads: gauge("Threads that accept and hold connections."),
  paused: gauge("1 while accepting is paused because the host is running low on memory or open files, otherwise 0."),
};

export const CLIENT_FAMILIES = [...ofRole(CLIENT_METRICS), ...described(CLIENT_METRICS.prefix, CLIENT)];
export const SERVER_FAMILIES = [...ofRole(SERVER_METRICS), ...described(SERVER_METRICS.prefix, SERVER)];

export function clientFamilies(snapshot: ConnectSnapshot, measured: RunMeasurements): Family[] {
  return [
    ...valuesOf(CLIENT_METRICS, snapshot, measured),
    ...filled(CLIENT_METRICS.prefix, CLIENT, {
      failures: failuresOf(measured),
      requested: only(snapshot.requested),
      wanted: only(snapshot.wanted),
      stage: STAGES.map((stage): Sample => [{ stage }, Number(stage === snapshot.stage)]),
    }),
    ...scriptFamilies(measured.script),
    ...processFamilies(),
  ];
}

export function serverFamilies(snapshot: ServeSnapshot, measured: RunMeasurements): Family[] {
  return [
    ...valuesOf(SERVER_METRICS, snapshot, measured),
    ...filled(SERVER_METRICS.prefix, SERVER, {
      failures: failuresOf(measured),
      peak_open: only(snapshot.peakOpen),
      threads: only(snapshot.threads),
      paused: only(Number(snapshot.isPaused)),
    }),
    ...scriptFamilies(measured.script),
    ...processFamilies(),
  ];
}

function failuresOf({ failures }: RunMeasurements): Sample[] {
  return failures.map(({ phase, cause, count }) => [{ phase, cause }, count]);
}

function ofRole<D extends MetricDefinitions>(metrics: Metrics<D>): Description[] {
  return [...familiesOf(metrics).values()].map(({ name, type, help }) => ({
    name: name.replace(/_total$/, ""),
    type,
    help,
    labels: [],
  }));
}

function valuesOf<D extends MetricDefinitions>(
  metrics: Metrics<D>,
  snapshot: object,
  { histograms }: RunMeasurements,
): Family[] {
  const values = snapshot as Readonly<Record<string, number>>;
  return [...familiesOf(metrics)].map(([name, { name: full, type, help, divisor }]) => {
    const timed = histograms[name];
    const samples = only(timed ? bucketsOf(timed) : values[name]! / divisor);
    return { name: full.replace(/_total$/, ""), type, help, labels: [], samples };
  });
}
