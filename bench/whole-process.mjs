// Runs a command as a whole process and measures its cost, for programs that do their work and exit.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { firstLines } from "./child.mjs";
import { commandOf } from "./programs.mjs";

/**
 * @param {string[]} command
 * @param {number} deadlineMs time after which it is killed
 * @returns {Promise<{ seconds: number, userSeconds: number, systemSeconds: number, peakBytes: number, output: string
 *   }>} resources used by the command and its children, and its standard output
 * @throws if the exit code is not 0
 */
export async function runWhole(command, deadlineMs) {
  const [program, ...args] = [...commandOf("c-epoll", "measure"), ...command];
  // Node reads this variable's certificates when it starts, which can take longer than the work to be measured.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child = spawn(/** @type {string} */ (program), args, {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...env, NO_COLOR: "1" },
    // A separate process group, so that the deadline ends all of it.
    detached: true,
  });
  const kill = () => {
    try {
      if (child.pid) process.kill(-child.pid, "SIGKILL");
    } catch {
      // The process has already exited.
    }
  };
  const timer = setTimeout(kill, deadlineMs);
  // A signal that ends this process reaches only this process's own group.
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

/** Metrics computed from a whole process. */
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
