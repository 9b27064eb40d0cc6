// Measures one round of one contender from outside, with fresh processes and a fresh port: ramp, hold, teardown.
// Returns raw figures; medians and verdicts are computed elsewhere.
import { setTimeout as delay } from "node:timers/promises";
import { Child } from "./child.mjs";
import {
  readCpuSeconds,
  readCpuTimes,
  readMemory,
  readOthersCpuSeconds,
  readPeakResident,
  readResident,
  readRunSeconds,
  readSoftirqSeconds,
  readTcpSockets,
} from "./proc.mjs";
import { countEstablished, countTimeWait, HERE } from "./sockets.mjs";
import { freePort, untilGone, untilNoTimeWait, untilQuiet } from "./waits.mjs";

const FOREIGN_POLL_MS = 5;

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 * @param {import("./sockets.mjs").Place} place
 */
export async function runRamp(contender, round, place = HERE) {
  const scale = /** @type {import("./scales.mjs").Scale} */ (contender.scale);
  const { connections, portsPerSource } = scale;
  const port = await freePort();
  const about = { contender: contender.name, round, port, requested: connections };
  /** @type {Child[]} */
  const children = [];
  let isClean = false;
  try {
    const socketsBefore = readTcpSockets();
    const server = new Child([...place.server, ...contender.server, `${port}`], scale.deadlineMs);
    children.push(server);
    await server.expectLine("listening");
    const client = new Child(
      [...place.client, ...contender.client, ...[port, connections, portsPerSource, contender.window ?? 0].map(String)],
      scale.deadlineMs,
    );
    children.push(client);
    await client.expectLine("ready");

    const pids = { server: server.pid, client: client.pid };
    const before = readUsage(pids);
    const goMs = performance.now();
    client.write("go\n");
    const said = contender.isForeign
      ? await heldInKernel(client, connections)
      : await client.expectLine("the ramp's end");
    const heldMs = performance.now();
    /**
     * Time from the start command until the client reported that it holds its connections, by this process's
     * clock.
     */
    const outsideSeconds = (heldMs - goMs) / 1000;
    const held = { seconds: outsideSeconds, ...JSON.parse(said) };
    const cpuTimes = bothSides(pids, readCpuTimes);
    const cpuSeconds = bothSides(pids, readCpuSeconds);
    const softirqSeconds = readSoftirqSeconds() - before.softirqSeconds;
    /** CPU time that other processes used during the ramp. If it is high, the figures are unreliable. */
    const foreignCpuSeconds = Math.max(0, readOthersCpuSeconds(Object.values(pids)) - before.othersCpuSeconds);

    // An unfinished client keeps opening connections, so there is no idle state to observe.
    const settleSeconds = held.isUnfinished ? 0 : await untilQuiet(Object.values(pids));
    const atHold = readUsage(pids);
    const idle = held.isUnfinished ? undefined : await watchIdle(pids, scale.idleMs);
    const kernelEstablished = await countEstablished(port, place);
    const peakResidentBytes = bothSides(pids, readPeakResident);
    const socketsAtHold = readTcpSockets();

    const closeMs = performance.now();
    client.endInput();
    if (contender.isForeign) client.kill("SIGTERM");
    const clientExit = await endOf(client, contender);
    const clientGoneMs = performance.now();
    server.kill("SIGTERM");
    const serverExit = await server.exited;
    const socketsLeft = await untilGone(port, place);
    const goneMs = performance.now();
    const timeWaitLeft = await countTimeWait(port, place);
    const outcome = {
      ...about,
      ...held,
      ...clientExit.report,
      serverExit,
      clientExit: clientExit.code,
      outsideSeconds,
      cpuSeconds,
      cpuTimes,
      softirqSeconds,
      cpuSecondsBefore: before.cpuSeconds,
      cpuTimesBefore: before.cpuTimes,
      foreignCpuSeconds,
      settleSeconds,
      ...(idle && { idle }),
      residentBytesBefore: before.residentBytes,
      residentBytes: atHold.residentBytes,
      peakResidentBytes,
      memoryBefore: before.memory,
      memory: atHold.memory,
      kernelEstablished,
      teardownSeconds: (goneMs - closeMs) / 1000,
      clientTeardownSeconds: (clientGoneMs - closeMs) / 1000,
      socketsLeft,
      timeWaitLeft,
      socketsBefore,
      socketsAtHold,
      socketsAfter: readTcpSockets(),
    };
    const error = failureOf(contender, outcome);
    isClean = error === undefined && timeWaitLeft === 0;
    return { ...outcome, ...(error !== undefined && { error }) };
  } catch (error) {
    return { ...about, error: explain(error) };
  } finally {
    for (const child of children) child.kill();
    await Promise.all(children.map(({ exited }) => exited));
    // Killed processes close with FIN. Wait, so that the next round does not encounter their sockets in
    // TIME_WAIT.
    if (!isClean) await untilNoTimeWait(port, place);
  }
}

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {any} outcome outcome of a round
 * @returns {string | undefined} what went wrong; undefined if nothing did
 */
function failureOf(contender, outcome) {
  const { requested, established, failed, lost = 0, clientExit, serverExit, kernelEstablished, socketsLeft } = outcome;
  const { isUnfinished } = outcome;
  if (failed > 0 || (established !== requested && !isUnfinished))
    return `${established} of ${requested} were established, ${failed} failed ${JSON.stringify(outcome.failures ?? [])}`;
  if (lost > 0) return `${lost} were lost while held ${JSON.stringify(outcome.losses ?? [])}`;
  const inKernel = contender.opensNothing ? 0 : requested;
  if (kernelEstablished.sockets !== inKernel && !isUnfinished)
    return `the kernel shows ${kernelEstablished.sockets} of ${inKernel} ESTABLISHED on the server's port`;
  if (socketsLeft > 0) return `${socketsLeft} sockets were left on the port`;
  if (clientExit !== 0 && !contender.isForeign && !isUnfinished) return `the client ended with ${clientExit}`;
  // SIGTERM kills a program without a handler for it.
  if (serverExit !== 0 && serverExit !== "SIGTERM") return `the server ended with ${serverExit}`;
  return undefined;
}

/** @typedef {{ server: number, client: number }} BothSides */

/** @param {BothSides} pids */
function readUsage(pids) {
  return {
    cpuSeconds: bothSides(pids, readCpuSeconds),
    cpuTimes: bothSides(pids, readCpuTimes),
    othersCpuSeconds: readOthersCpuSeconds(Object.values(pids)),
    softirqSeconds: readSoftirqSeconds(),
    residentBytes: bothSides(pids, readResident),
    memory: readMemory(),
  };
}

/**
 * @param {BothSides} pids
 * @param {number} ms
 * @returns seconds on a CPU for both sides, to the nanosecond
 */
async function watchIdle(pids, ms) {
  const before = bothSides(pids, readRunSeconds);
  const startMs = performance.now();
  await delay(ms);
  const after = bothSides(pids, readRunSeconds);
  const seconds = (performance.now() - startMs) / 1000;
  return { seconds, server: after.server - before.server, client: after.client - before.client };
}

/**
 * Waits until the kernel counts all connections at both ends, because a third-party tool does not report them.
 *
 * @param {Child} client
 * @param {number} connections
 */
async function heldInKernel(client, connections) {
  const wanted = (readTcpSockets().inuse ?? 0) + 2 * connections;
  let exit;
  client.exited.then((how) => {
    exit = how;
  });
  while ((readTcpSockets().inuse ?? 0) < wanted) {
    if (exit !== undefined) throw new Error(`the tool ended (${exit}) before it held ${connections} connections`);
    await delay(FOREIGN_POLL_MS);
  }
  return JSON.stringify({ established: connections, failed: 0 });
}

/**
 * @template T
 * @param {BothSides} pids
 * @param {(pid: number) => T} read
 */
function bothSides({ server, client }, read) {
  return { server: read(server), client: read(client) };
}

/** @param {any} error */
function explain(error) {
  // ENOENT and ESRCH mean that the process being read has exited.
  const isGone = (error.code === "ENOENT" || error.code === "ESRCH") && String(error.message).includes("/proc/");
  return isGone ? "the server or the client ended while it was measured" : String(error.message ?? error);
}

/**
 * @param {Child} client
 * @param {import("./contenders.mjs").Contender} contender
 */
async function endOf(client, { isForeign, readReport }) {
  // Otherwise, its output is meant for people.
  if (readReport) return { report: readReport(await lastLine(client)), code: await client.exited };
  if (isForeign) return { report: {}, code: await client.exited };
  let report = {};
  for (let line = await client.line(); line !== undefined; line = await client.line())
    report = { ...report, ...JSON.parse(line) };
  return { report, code: await client.exited };
}

/** @param {Child} client */
async function lastLine(client) {
  let last = await client.expectLine("its result");
  for (let line = await client.line(); line !== undefined; line = await client.line()) last = line;
  return last;
}
