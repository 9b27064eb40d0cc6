// Runs a command as a whole process and says what it cost: for programs that do their work and end.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { firstLines } from "./child.mjs";
import { commandOf } from "./programs.mjs";

/**
 * @param {string[]} command
 * @param {number} deadlineMs after which it is killed
 * @returns {Promise<{ seconds: number, userSeconds: number, systemSeconds: number, peakBytes: number, output: string }>}
 * what it used with all that it started, and what it wrote to standard output
 * @throws when it ends otherwise than with 0
 */
export async function runWhole(command, deadlineMs) {
  const [program, ...args] = [...commandOf("c-epoll", "measure"), ...command];
  const child = spawn(/** @type {string} */ (program), args, {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
    // A group of its own: the deadline ends all of it.
    detached: true,
  });
  const kill = () => {
    try {
      if (child.pid) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  };
  const timer = setTimeout(kill, deadlineMs);
  // A signal that ends this process goes to its own group only.
  process.once("exit", kill);
  const [output, said, figures, [code]] = await Promise.all([
    text(/** @type {any} */ (child.stdout)),
    text(/** @type {any} */ (child.stderr)),
    text(/** @type {any} */ (child.stdio[3])),
    once(child, "close"),
  ]);
  clearTimeout(timer);
  process.off("exit", kill);
  if (code !== 0)
    throw new Error(`it ended with ${code ?? `SIGKILL after ${deadlineMs / 1000} s`} ${firstLines(said)}`);
  return { ...JSON.parse(figures), output };
}

/** What is computed of it. */
export const WHOLE_PROCESS_METRICS = {
  seconds: {
    label: "time, whole process (ms)",
    format: milliseconds,
    isCompared: true,
    of: (/** @type {any} */ { seconds }) => seconds,
  },
  cpuSeconds: {
    label: "CPU, user and system (ms)",
    format: milliseconds,
    isCompared: true,
    of: (/** @type {any} */ { userSeconds, systemSeconds }) => userSeconds + systemSeconds,
  },
  userSeconds: {
    label: "  of it user (ms)",
    format: milliseconds,
    of: (/** @type {any} */ { userSeconds }) => userSeconds,
  },
  peakMegabytes: {
    label: "peak RSS (MB)",
    format: (/** @type {number} */ value) => value.toFixed(1),
    of: (/** @type {any} */ { peakBytes }) => peakBytes / 1e6,
  },
};

/** @param {number} seconds */
function milliseconds(seconds) {
  return (seconds * 1000).toFixed(1);
}
