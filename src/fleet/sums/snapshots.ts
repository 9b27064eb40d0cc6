// Adds up the snapshots of the parts of a run.
import { CLIENT_METRICS } from "../../client/metrics.js";
import { type ConnectSnapshot, STAGES } from "../../client/snapshot.js";
import { SERVER_METRICS } from "../../server/metrics.js";
import type { ServeSnapshot } from "../../server/snapshot.js";

/** @param snapshots at least one */
export function mergeSnapshots(snapshots: readonly ConnectSnapshot[]): ConnectSnapshot {
  return snapshots.reduce(mergeTwo);
}

/** @param snapshots of servers, at least one */
export function mergeServeSnapshots(snapshots: readonly ServeSnapshot[]): ServeSnapshot {
  return snapshots.reduce(mergeTwoServers);
}

function mergeTwoServers(a: ServeSnapshot, b: ServeSnapshot): ServeSnapshot {
  const metrics = Object.fromEntries(SERVER_METRICS.shown.map((name) => [name, combine(SERVER_METRICS, name, a, b)]));
  return {
    ...a,
    ...metrics,
    elapsedMs: Math.max(a.elapsedMs, b.elapsedMs),
    peakOpen: a.peakOpen + b.peakOpen,
    threads: a.threads + b.threads,
    isPaused: a.isPaused || b.isPaused,
  };
}

/** Returns the snapshot of a server that has accepted nothing. */
export function emptyServeSnapshot(): ServeSnapshot {
  const metrics = Object.fromEntries(SERVER_METRICS.shown.map((name) => [name, 0]));
  return { ...metrics, elapsedMs: 0, peakOpen: 0, threads: 0, isPaused: false } as unknown as ServeSnapshot;
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
  const metrics = Object.fromEntries(CLIENT_METRICS.shown.map((name) => [name, combine(CLIENT_METRICS, name, a, b)]));
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

function combine({ definitions }: { readonly definitions: object }, name: string, a: object, b: object): number {
  const [x, y] = [figureOf(a, name), figureOf(b, name)];
  const { combined } = (definitions as Record<string, { combined?: string }>)[name]!;
  if (combined === "max") return Math.max(x, y);
  if (combined === "least") return x === 0 || y === 0 ? Math.max(x, y) : Math.min(x, y);
  return x + y;
}

function figureOf(snapshot: object, name: string): number {
  // Snapshots come from other programs.
  const value = (snapshot as Record<string, unknown>)[name];
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : a + (b ?? 0);
}
