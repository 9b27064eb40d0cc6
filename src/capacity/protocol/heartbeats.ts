// Measures the cost of a protocol's heartbeats: CPU time on each side, and bytes on the wire.
import { setTimeout as delay } from "node:timers/promises";
import type { ConnectRun } from "../../client/run.js";
import { TCP_ESTABLISHED } from "../../linux/syscalls/constants.js";
import type { ProtocolCost } from "../../results/prediction.js";
import { forEachSocket } from "../../socket-table/table.js";
import { AppError } from "../../util/errors.js";
import { FRAME_BYTES } from "../limits/tables.js";
import { heartbeatOf, sizeOf } from "./loads.js";
import type { ServerProcess } from "./server-process.js";
import { eachSide, readSides, type Sides, type Trial, withConnections } from "./trial.js";

type Heartbeats = NonNullable<ProtocolCost["heartbeats"]>;

/** MQTT's default keep-alive, and the interval that proxies in front of WebSocket servers usually require. */
const INTERVAL_SECONDS = 60;
const MEASURE_MS = 1000;
const MILLION = 1_000_000;
const POLL_MS = 5;
/** This is far longer than the heartbeats take, even on a slow host. */
const LIMIT_MS = 30_000;

/**
 * @returns undefined for a protocol without heartbeats
 * @throws {AppError} E_SYSTEM if the heartbeats are not answered
 */
export async function measureHeartbeats(trial: Trial, server: ServerProcess): Promise<ProtocolCost["heartbeats"]> {
  const heartbeat = heartbeatOf(trial.scheme);
  if (heartbeat === undefined) return undefined;
  // The heartbeats are frequent enough to keep both ends busy: waking a sleeping program for a single heartbeat costs
  // more than handling one of many.
  const { connections, intervalMs } = sizeOf(trial.scheme).beating;
  const measure = async (run: ConnectRun) => {
    const wire = { bytes: await readWireBytes(server.port), beats: run.snapshot().answeredHeartbeats };
    const before = readSides(server).cpuSeconds;
    const first = run.snapshot().answeredHeartbeats;
    await untilAnswered(run, first + (connections * MEASURE_MS) / intervalMs, trial.signal);
    const beats = run.snapshot().answeredHeartbeats - first;
    const cpuSeconds = eachSide(before, readSides(server).cpuSeconds, (from, to) => (to - from) / beats);
    const added = ((await readWireBytes(server.port)) ?? Number.NaN) - (wire.bytes ?? Number.NaN);
    const wireBytes = added / (run.snapshot().answeredHeartbeats - wire.beats);
    return reportOf(heartbeat.name, cpuSeconds, Number.isNaN(wireBytes) ? undefined : wireBytes);
  };
  return withConnections(trial, server, { connections }, measure, (spec) => heartbeat.send(spec, intervalMs));
}

function reportOf(name: Heartbeats["name"], cpuSeconds: Sides, wireBytes: number | undefined): Heartbeats {
  const perSec = MILLION / INTERVAL_SECONDS;
  return {
    name,
    intervalSeconds: INTERVAL_SECONDS,
    cpuSeconds,
    wireBytes,
    perMillion: {
      cores: { client: cpuSeconds.client * perSec, server: cpuSeconds.server * perSec },
      bitsPerSec: wireBytes && wireBytes * 8 * perSec,
    },
  };
}

async function untilAnswered(run: ConnectRun, beats: number, signal: AbortSignal | undefined): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  while (run.snapshot().answeredHeartbeats < beats) {
    if (performance.now() > deadlineMs)
      throw new AppError("E_SYSTEM", "the heartbeats sent for the measurement were not answered");
    await delay(POLL_MS, undefined, { signal });
  }
}

/**
 * Returns the bytes exchanged so far over a server's connections in both directions, as Ethernet frames. Unlike
 * interface counters, these figures exclude other programs' traffic.
 *
 * @returns undefined if the kernel does not report these bytes
 */
async function readWireBytes(port: number): Promise<number | undefined> {
  let bytes = 0;
  const query = { local: { ports: [{ first: port, last: port }] }, states: 1 << TCP_ESTABLISHED, info: true };
  await forEachSocket(query, ({ info }) => {
    const { sentBytes = Number.NaN, receivedBytes = Number.NaN } = info ?? {};
    const { sentSegments = Number.NaN, receivedSegments = Number.NaN } = info ?? {};
    bytes += sentBytes + receivedBytes + (sentSegments + receivedSegments) * FRAME_BYTES;
  });
  return Number.isNaN(bytes) ? undefined : bytes;
}
