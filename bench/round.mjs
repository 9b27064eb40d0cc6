// One round of one peer, measured from outside: fresh processes, a fresh port, ramp, hold, teardown. What is seen is
// kept as it is; medians and verdicts are made of it elsewhere.
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Child } from "./child.mjs";
import { readCpuSeconds, readHostCpuSeconds, readMemory, readResident, readTcpSockets } from "./proc.mjs";
import { countEstablished, countLeft, countTimeWait } from "./sockets.mjs";

const FIRST_PORT = 17_000;
const LAST_PORT = 17_999;
const QUIET_MS = 250;
// Two ticks of the CPU clock: what is left of the ramp and of counting has been done.
const QUIET_SECONDS = 0.02;
const QUIET_DEADLINE_MS = 30_000;
const GONE_DEADLINE_MS = 60_000;
// The kernel's TIME_WAIT lasts 60 s.
const TIME_WAIT_DEADLINE_MS = 70_000;
const TIME_WAIT_LOOK_MS = 1000;
const LOOK_MS = 50;

let nextPort = FIRST_PORT;

/**
 * @param {import("./peers.mjs").Peer} peer
 * @param {import("./scales.mjs").Scale} scale
 * @param {number} round
 */
export async function playRound(peer, scale, round) {
  const port = await freePort();
  const children = [];
  let hasFailed = false;
  try {
    const socketsBefore = readTcpSockets();
    const server = new Child([...peer.server, `${port}`], scale.deadlineMs);
    children.push(server);
    await server.expectLine("listening");
    const { connections, portsPerSource } = scale;
    const client = new Child(
      [...peer.client, ...[port, connections, portsPerSource, peer.window].map(String)],
      scale.deadlineMs,
    );
    children.push(client);
    await client.expectLine("ready");

    const pids = { server: server.pid, client: client.pid };
    const before = lookAt(pids);
    const goMs = performance.now();
    client.write("go\n");
    const held = JSON.parse(await client.expectLine("the end of the ramp"));
    const heldMs = performance.now();
    const cpuAtHeld = bothSides(pids, readCpuSeconds);
    const foreignCpuSeconds = foreignCpu() - before.foreignCpuSeconds - sum(cpuAtHeld) + sum(before.cpuSeconds);

    const settleSeconds = await untilQuiet(pids);
    const atHold = lookAt(pids);
    const idleStartMs = performance.now();
    await delay(scale.idleMs);
    const idleSeconds = (performance.now() - idleStartMs) / 1000;
    const cpuAfterIdle = bothSides(pids, readCpuSeconds);
    const established = await countEstablished(port);

    const closeMs = performance.now();
    client.endInput();
    const clientExit = await endOf(client);
    const clientGoneMs = performance.now();
    server.kill("SIGTERM");
    const serverExit = await server.exited;
    const socketsLeft = await untilGone(port);
    const goneMs = performance.now();
    const timeWaitLeft = await countTimeWait(port);
    return {
      peer: peer.name,
      round,
      port,
      asked: connections,
      ...held,
      ...clientExit.report,
      serverExit,
      clientExit: clientExit.code,
      /** From the word to begin until the client said that it holds, by this process' clock. */
      outsideSeconds: (heldMs - goMs) / 1000,
      cpuSeconds: cpuAtHeld,
      cpuSecondsBefore: before.cpuSeconds,
      /** CPU that others used during the ramp: while it is much, the figures are not worth much. */
      foreignCpuSeconds: Math.max(0, foreignCpuSeconds),
      settleSeconds,
      idle: {
        seconds: idleSeconds,
        server: cpuAfterIdle.server - atHold.cpuSeconds.server,
        client: cpuAfterIdle.client - atHold.cpuSeconds.client,
      },
      residentBytesBefore: before.residentBytes,
      residentBytes: atHold.residentBytes,
      memoryBefore: before.memory,
      memory: atHold.memory,
      kernelEstablished: established,
      teardownSeconds: (goneMs - closeMs) / 1000,
      clientTeardownSeconds: (clientGoneMs - closeMs) / 1000,
      socketsLeft,
      timeWaitLeft,
      socketsBefore,
      socketsAfter: readTcpSockets(),
    };
  } catch (error) {
    hasFailed = true;
    return { peer: peer.name, round, port, asked: scale.connections, error: explain(error) };
  } finally {
    for (const child of children) child.kill();
    await Promise.all(children.map(({ exited }) => exited));
    // Killed processes close with FIN: the next round is not to meet their TIME_WAITs.
    if (hasFailed) await until(async () => (await countTimeWait(port)) === 0, TIME_WAIT_DEADLINE_MS, TIME_WAIT_LOOK_MS);
  }
}

/**
 * @param {any} outcome of a round
 * @returns {string | undefined} what went wrong, if anything did
 */
export function failureOf(outcome) {
  if (outcome.error !== undefined) return outcome.error;
  const { asked, established, failed, lost = 0, clientExit, serverExit, kernelEstablished, socketsLeft } = outcome;
  if (established !== asked || failed > 0)
    return `${established} of ${asked} were established, ${failed} failed ${JSON.stringify(outcome.failures ?? [])}`;
  if (lost > 0) return `${lost} were lost while held ${JSON.stringify(outcome.losses ?? [])}`;
  if (kernelEstablished.sockets !== asked)
    return `the kernel shows ${kernelEstablished.sockets} of ${asked} ESTABLISHED on the server's port`;
  if (socketsLeft > 0) return `${socketsLeft} sockets were left on the port`;
  if (clientExit !== 0) return `the client ended with ${clientExit}`;
  // A program without a handler for SIGTERM ends by it.
  if (serverExit !== 0 && serverExit !== "SIGTERM") return `the server ended with ${serverExit}`;
  return undefined;
}

/** @typedef {{ server: number, client: number }} BothSides */

/** @param {BothSides} pids */
function lookAt(pids) {
  return {
    cpuSeconds: bothSides(pids, readCpuSeconds),
    foreignCpuSeconds: foreignCpu(),
    residentBytes: bothSides(pids, readResident),
    memory: readMemory(),
  };
}

/**
 * @param {BothSides} pids
 * @param {(pid: number) => number} read
 * @returns {BothSides}
 */
function bothSides({ server, client }, read) {
  return { server: read(server), client: read(client) };
}

/** The host's CPU seconds without this process' own; those of the two sides are still in it. */
function foreignCpu() {
  const { user, system } = process.cpuUsage();
  return readHostCpuSeconds() - (user + system) / 1e6;
}

/** @param {BothSides} both */
function sum({ server, client }) {
  return server + client;
}

/**
 * Waits until both sides have nothing more to do; what goes on for longer than the deadline is not the ramp's.
 *
 * @param {BothSides} pids
 * @returns {Promise<number>} seconds waited
 */
async function untilQuiet(pids) {
  const startMs = performance.now();
  let last = bothSides(pids, readCpuSeconds);
  while (performance.now() - startMs < QUIET_DEADLINE_MS) {
    await delay(QUIET_MS);
    const now = bothSides(pids, readCpuSeconds);
    if (now.server - last.server < QUIET_SECONDS && now.client - last.client < QUIET_SECONDS) break;
    last = now;
  }
  return (performance.now() - startMs) / 1000;
}

/**
 * Waits until the kernel has no socket on the port any more, but for those in TIME_WAIT.
 *
 * @param {number} port
 * @returns {Promise<number>} sockets left all the same
 */
async function untilGone(port) {
  let left = 0;
  await until(async () => {
    left = await countLeft(port);
    return left === 0;
  }, GONE_DEADLINE_MS);
  return left;
}

/**
 * @param {() => Promise<boolean>} isSo
 * @param {number} deadlineMs after which it goes on all the same
 * @param {number} lookMs between looks
 */
async function until(isSo, deadlineMs, lookMs = LOOK_MS) {
  const startMs = performance.now();
  while (!(await isSo()) && performance.now() - startMs < deadlineMs) await delay(lookMs);
}

/** @param {any} error */
function explain(error) {
  // ENOENT and ESRCH: the process whose files were to be read is no more.
  const isGone = (error.code === "ENOENT" || error.code === "ESRCH") && String(error.message).includes("/proc/");
  return isGone ? "the server or the client ended while it was measured" : String(error.message ?? error);
}

/** @param {Child} client */
async function endOf(client) {
  let report = {};
  for (let line = await client.line(); line !== undefined; line = await client.line())
    report = { ...report, ...JSON.parse(line) };
  return { report, code: await client.exited };
}

export async function freePort() {
  for (; nextPort <= LAST_PORT; nextPort++) {
    const probe = createServer();
    const isFree = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(nextPort, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    probe.close();
    await once(probe, "close");
    return nextPort++;
  }
  throw new Error(`no port from ${FIRST_PORT} to ${LAST_PORT} is free`);
}
