// What a round waits for, each with a deadline: a free port, processes at rest, a port without sockets.
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { readCpuSeconds } from "./proc.mjs";
import { countLeft, countTimeWait } from "./sockets.mjs";

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

/** @returns {Promise<number>} a port of 127.0.0.1 that nobody listens on, another each time */
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

/**
 * Waits until the processes have nothing more to do; what goes on for longer than the deadline is not the ramp's.
 *
 * @param {number[]} pids
 * @returns {Promise<number>} seconds waited
 */
export async function untilQuiet(pids) {
  const startMs = performance.now();
  let last = pids.map(readCpuSeconds);
  while (performance.now() - startMs < QUIET_DEADLINE_MS) {
    await delay(QUIET_MS);
    const now = pids.map(readCpuSeconds);
    if (now.every((seconds, index) => seconds - last[index] < QUIET_SECONDS)) break;
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
export async function untilGone(port) {
  let left = 0;
  await until(async () => {
    left = await countLeft(port);
    return left === 0;
  }, GONE_DEADLINE_MS);
  return left;
}

/**
 * Waits until the kernel has no socket of the port in TIME_WAIT: the next round is not to meet them.
 *
 * @param {number} port
 */
export async function untilNoTimeWait(port) {
  await until(async () => (await countTimeWait(port)) === 0, TIME_WAIT_DEADLINE_MS, TIME_WAIT_LOOK_MS);
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
