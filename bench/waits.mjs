// Everything that a round waits for, each with a deadline: for a free port, idle processes, or a port without sockets.
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { readCpuSeconds } from "./proc.mjs";
import { countLeft, countTimeWait, HERE } from "./sockets.mjs";

const FIRST_PORT = 17_000;
const LAST_PORT = 17_999;
const QUIET_MS = 250;
// Two ticks of the CPU clock. Processes that use less have finished the work left over from the ramp and from counting.
const QUIET_SECONDS = 0.02;
const QUIET_DEADLINE_MS = 30_000;
const GONE_DEADLINE_MS = 60_000;
// TIME_WAIT lasts 60 s in the kernel.
const TIME_WAIT_DEADLINE_MS = 70_000;
const TIME_WAIT_POLL_MS = 1000;
const POLL_MS = 50;

let nextPort = FIRST_PORT;

/** @returns {Promise<number>} a port of 127.0.0.1 without a listener; a different one each time */
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
 * Waits until the processes are idle. Activity that lasts longer than the deadline is not caused by the ramp.
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
 * Waits until the kernel has no sockets on the port except those in TIME_WAIT.
 *
 * @param {number} port
 * @param {import("./sockets.mjs").Place} place
 * @returns {Promise<number>} number of sockets left at the deadline
 */
export async function untilGone(port, place = HERE) {
  let left = 0;
  await until(async () => {
    left = await countLeft(port, place);
    return left === 0;
  }, GONE_DEADLINE_MS);
  return left;
}

/**
 * Waits until no socket of the port is in TIME_WAIT, so that the next round does not encounter any.
 *
 * @param {number} port
 * @param {import("./sockets.mjs").Place} place
 */
export async function untilNoTimeWait(port, place = HERE) {
  await until(async () => (await countTimeWait(port, place)) === 0, TIME_WAIT_DEADLINE_MS, TIME_WAIT_POLL_MS);
}

/**
 * @param {() => Promise<boolean>} isSo
 * @param {number} deadlineMs time after which it gives up
 * @param {number} pollMs interval between checks
 */
async function until(isSo, deadlineMs, pollMs = POLL_MS) {
  const startMs = performance.now();
  while (!(await isSo()) && performance.now() - startMs < deadlineMs) await delay(pollMs);
}
