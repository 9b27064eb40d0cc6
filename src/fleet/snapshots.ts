// Adds up the snapshots of the parts of a run.
import { CLIENT_METRICS } from "../client/metrics.js";
import { type ConnectSnapshot, STAGES } from "../client/snapshot.js";

/** @param snapshots at least one */
export function mergeSnapshots(snapshots: readonly ConnectSnapshot[]): ConnectSnapshot {
  return snapshots.reduce(mergeTwo);
}

/** Returns the snapshot of a run that has not started. */
export function emptySnapshot(): ConnectSnapshot {
  return {
    ...Object.fromEntries(CLIENT_METRICS.shown.map((name) => [name, 0])),
    elapsedMs: 0,
    stage: "ramp",
    requested: 0,
    wanted: 0,
    requestedMessages: undefined,
    leftMs: undefined,
  } as unknown as ConnectSnapshot;
}

function mergeTwo(a: ConnectSnapshot, b: ConnectSnapshot): ConnectSnapshot {
  const metrics = Object.fromEntries(CLIENT_METRICS.shown.map((name) => [name, combine(name, a, b)]));
  return {
    ...a,
    ...metrics,
    elapsedMs: Math.max(a.elapsedMs, b.elapsedMs),
    stage: STAGES[Math.min(STAGES.indexOf(a.stage), STAGES.indexOf(b.stage))]!,
    requested: a.requested + b.requested,
    wanted: a.wanted + b.wanted,
    requestedMessages: sum(a.requestedMessages, b.requestedMessages),
    leftMs: a.leftMs === undefined ? b.leftMs : Math.max(a.leftMs, b.leftMs ?? 0),
  };
}

function combine(name: string, a: ConnectSnapshot, b: ConnectSnapshot): number {
  const [x, y] = [figureOf(a, name), figureOf(b, name)];
  const { combined } = (CLIENT_METRICS.definitions as Record<string, { combined?: string }>)[name]!;
  if (combined === "max") return Math.max(x, y);
  if (combined === "least") return x === 0 || y === 0 ? Math.max(x, y) : Math.min(x, y);
  return x + y;
}

function figureOf(snapshot: ConnectSnapshot, name: string): number {
  // Snapshots come from other programs.
  const value = (snapshot as unknown as Record<string, unknown>)[name];
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : a + (b ?? 0);
}
