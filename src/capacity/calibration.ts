// Measures what a connection costs on this host by opening a few thousand over loopback, with plain TCP or a protocol.
// Without a measurement, built-in figures are used.

import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../client/connect.js";
import type { ConnectRun } from "../client/run.js";
import { readMemoryRoom, roomAboveFloor } from "../engine/memory-floor.js";
import { readMemoryUse } from "../engine/memory-use.js";
import { readCgroupMemory } from "../linux/proc/cgroup.js";
import { readConntrack } from "../linux/proc/net-stats.js";
import { countOpenDescriptors, readMeminfo } from "../linux/proc/procfs.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import type { Scheme } from "../protocols/spec/address.js";
import type { ConnectionCost, ProtocolCost } from "../results/prediction.js";
import { serve } from "../server/serve.js";
import type { Engines } from "./engines.js";
import { builtInCost } from "./protocol/built-in.js";
import { clientOptions, messageOptions, serverMode } from "./protocol/loads.js";
import { measureProtocol } from "./protocol/measure.js";

export interface Calibration {
  readonly cost: ConnectionCost;
  /** Why no measurement was made; undefined after a measurement. */
  readonly obstacle: string | undefined;
}

/** Measured on kernel 6.18, x64, with 1,000,000 connections and both ends on one host: bench/results/bench-W3.json. */
export const COMMITTED_COST: ConnectionCost = {
  kernelBytesPerEnd: 4200,
  chargedBytesPerEnd: 2800,
  // The average of 52 for a client and 6 for a server.
  userBytesPerEnd: 30,
  cpuSecondsPerConnection: 60e-6,
  // From docs/runs/lab.json, E5.
  cpuSecondsPerMessage: 35e-6,
  isMeasured: false,
};

/**
 * Number of connections in the first plateau, which absorbs one-time costs such as threads, tables and compiled code.
 */
const FIRST = 1000;
const SECOND = 5000;
const RAMP_MS = 300;
const LEAST_ROOM_BYTES = 128 * 1024 ** 2;
/**
 * Even a bare socket takes more memory than this. A lower figure means that other programs freed memory during the
 * measurement.
 */
const LEAST_KERNEL_BYTES = 2000;
const POLL_MS = 5;
const DEADLINE_MS = 10_000;
const STOPPED = "the measurement was interrupted";

/**
 * The first rate is high enough to keep both ends busy: waking a sleeping program for a single message costs more than
 * handling one of many. On a busy host, its messages can leave too little time for the handshakes of the last
 * connections; the second rate leaves more.
 */
const MESSAGES = { connections: 500, ratesPerSec: [20, 4], forMs: 400, least: 500 } as const;

/** What to measure. */
export interface CalibrationOptions {
  /** I/O engines to measure with. */
  readonly engines: Engines;
  /**
   * Scheme of a protocol, each side of which is measured separately. The default is plain TCP, with both sides measured
   * together.
   */
  readonly scheme?: Scheme | undefined;
  /** Size in bytes of the messages to exchange; undefined to exchange none. */
  readonly messageBytes?: number | undefined;
  /** Aborting this signal ends the measurement. */
  readonly signal?: AbortSignal | undefined;
}

/** Measures the cost by opening a few thousand connections over loopback and closing them again. Never throws. */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
  const { scheme, messageBytes, signal } = options;
  const unmeasured = findObstacle();
  if (unmeasured !== undefined) return uncalibrated(unmeasured, scheme);
  const { cost, obstacle } =
    scheme === undefined ? await measureConnections(options) : await measureScheme(options, scheme);
  if (signal?.aborted) return uncalibrated(STOPPED, scheme);
  if (messageBytes === undefined || obstacle !== undefined) return { cost, obstacle };
  const cpuSecondsPerMessage = await measureMessages(options, messageBytes);
  if (signal?.aborted) return uncalibrated(STOPPED, scheme);
  const areMessagesMeasured = cpuSecondsPerMessage !== undefined;
  return { cost: { ...cost, ...(areMessagesMeasured && { cpuSecondsPerMessage }), areMessagesMeasured }, obstacle };
}

async function measureScheme({ engines, signal }: CalibrationOptions, scheme: Scheme): Promise<Calibration> {
  try {
    const { kernelBytesPerEnd, chargedBytesPerEnd, protocol } = await measureProtocol({ scheme, engines, signal });
    return {
      cost: {
        ...COMMITTED_COST,
        ...costOf(protocol),
        ...(kernelBytesPerEnd > LEAST_KERNEL_BYTES && { kernelBytesPerEnd }),
        ...(chargedBytesPerEnd > 0 && { chargedBytesPerEnd }),
        isMeasured: true,
      },
      obstacle: undefined,
    };
  } catch (error) {
    return uncalibrated(sentence(error), scheme);
  }
}

async function measureConnections({ engines, signal }: CalibrationOptions): Promise<Calibration> {
  const server = await serve({ at: "127.0.0.1:0", engine: engines.server }).catch(sentence);
  if (typeof server === "string") return uncalibrated(server);
  try {
    const run = await connect({
      to: `127.0.0.1:${server.address.port}`,
      stages: [
        { durationMs: RAMP_MS, target: FIRST },
        { durationMs: RAMP_MS, target: FIRST },
        { durationMs: RAMP_MS, target: SECOND },
      ],
      durationMs: DEADLINE_MS,
      close: "rst",
      engine: engines.client,
      signal,
    });
    try {
      return await measure(run, signal);
    } finally {
      await run.stop();
    }
  } catch (error) {
    return uncalibrated(sentence(error));
  } finally {
    await server.stop().catch(() => undefined);
  }
}

export function uncalibrated(obstacle: string | undefined, scheme?: Scheme): Calibration {
  return { cost: { ...COMMITTED_COST, ...(scheme && costOf(builtInCost(scheme))) }, obstacle };
}

/** Returns the cost of a protocol's connections for each side, with averages and sums. */
function costOf(
  protocol: ProtocolCost,
): Pick<ConnectionCost, "userBytesPerEnd" | "cpuSecondsPerConnection" | "protocol"> {
  const { userBytes, cpuSecondsPerConnection } = protocol;
  return {
    userBytesPerEnd: (userBytes.client + userBytes.server) / 2,
    cpuSecondsPerConnection: cpuSecondsPerConnection.client + cpuSecondsPerConnection.server,
    protocol,
  };
}

async function measure(run: ConnectRun, signal: AbortSignal | undefined): Promise<Calibration> {
  if (!(await reaches(run, FIRST, signal)))
    return uncalibrated("the connections for the measurement could not be opened");
  const before = readMemoryUse();
  const chargedBefore = readCgroupMemory()?.kernelBytes;
  const cpuBefore = process.cpuUsage();
  if (!(await reaches(run, SECOND, signal)))
    return uncalibrated("the connections for the measurement could not be opened");
  const cpuSeconds = secondsOf(process.cpuUsage(cpuBefore));
  const after = readMemoryUse();
  const chargedAfter = readCgroupMemory()?.kernelBytes;
  const added = SECOND - FIRST;
  const perEnd = (bytes: number) => Math.max(0, bytes / added / 2);
  return {
    cost: {
      kernelBytesPerEnd: Math.round(perEnd(after.kernelBytes - before.kernelBytes)) || COMMITTED_COST.kernelBytesPerEnd,
      chargedBytesPerEnd:
        chargedBefore === undefined || chargedAfter === undefined
          ? COMMITTED_COST.chargedBytesPerEnd
          : Math.round(perEnd(chargedAfter - chargedBefore)) || COMMITTED_COST.chargedBytesPerEnd,
      // With so few connections, the memory used by start-up and compilation masks what the connections use.
      userBytesPerEnd: COMMITTED_COST.userBytesPerEnd,
      cpuSecondsPerConnection: cpuSeconds / added,
      cpuSecondsPerMessage: COMMITTED_COST.cpuSecondsPerMessage,
      isMeasured: true,
    },
    obstacle: undefined,
  };
}

/** Returns the CPU seconds for a message and its answer at both ends; undefined if too few were answered at any rate. */
async function measureMessages(options: CalibrationOptions, bytes: number): Promise<number | undefined> {
  for (const ratePerSec of MESSAGES.ratesPerSec) {
    const cpuSeconds = await measureMessagesAt(ratePerSec, options, bytes).catch(() => undefined);
    if (cpuSeconds !== undefined || options.signal?.aborted) return cpuSeconds;
  }
  return undefined;
}

async function measureMessagesAt(
  messageRatePerSec: number,
  { engines, scheme = "tcp", signal }: CalibrationOptions,
  bytes: number,
): Promise<number | undefined> {
  const server = await serve({ at: `${scheme}://127.0.0.1:0`, mode: serverMode(scheme), engine: engines.server });
  try {
    const run = await connect({
      ...clientOptions(scheme, server.address.port, engines.client),
      ...messageOptions(scheme, bytes),
      connections: MESSAGES.connections,
      messageRatePerSec,
      signal,
    });
    try {
      if (!(await reaches(run, MESSAGES.connections, signal))) return undefined;
      const before = run.snapshot().answeredMessages;
      const cpuBefore = process.cpuUsage();
      const deadlineMs = performance.now() + DEADLINE_MS;
      let answered = 0;
      // On a busy host, it takes longer to answer enough messages.
      do {
        await delay(MESSAGES.forMs, undefined, { signal });
        answered = run.snapshot().answeredMessages - before;
      } while (answered < MESSAGES.least && performance.now() < deadlineMs);
      return answered < MESSAGES.least ? undefined : secondsOf(process.cpuUsage(cpuBefore)) / answered;
    } finally {
      await run.stop();
    }
  } finally {
    await server.stop().catch(() => undefined);
  }
}

function secondsOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6;
}

/**
 * Waits until this many connections are open and none is in flight. Returns false if some of the connections cannot be
 * opened.
 */
async function reaches(run: ConnectRun, connections: number, signal: AbortSignal | undefined): Promise<boolean> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (performance.now() < deadlineMs && !signal?.aborted) {
    const { open, inFlight, failed } = run.snapshot();
    if (open >= connections && inFlight === 0) return true;
    if (failed > 0) return false;
    await delay(POLL_MS);
  }
  return false;
}

function findObstacle(): string | undefined {
  if (readMeminfo().Slab === undefined) return "the kernel's memory use cannot be read";
  const descriptors = raiseNofileLimit().soft - countOpenDescriptors();
  if (descriptors < 2 * SECOND + FIRST) return "the open-file limit is too low for the measurement";
  // conntrack keeps entries for a while after their connections end.
  const conntrack = readConntrack();
  if (conntrack && conntrack.max - conntrack.count < 4 * SECOND)
    return "conntrack's table is too small for the measurement";
  return roomAboveFloor(readMemoryRoom()) < LEAST_ROOM_BYTES ? "too little memory is left to measure" : undefined;
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
