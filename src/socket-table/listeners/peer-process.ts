// Describes a local peer process: its name, whether it is fourtuple, and whether it is stopped or out of descriptors.
// peer.ts finds the process.

import type { ProcessFacts } from "../../results/peer.js";
import type { Owner } from "../../results/sockets/owners.js";
import { numberOf } from "../../util/bound.js";
import { printable } from "../../util/printable.js";

/**
 * Servers keep a few descriptors in reserve, so that they can still accept and close connections that they cannot
 * serve.
 */
const KEPT_BACK = 4;

/**
 * Formats a process's facts or a socket's owner as `nginx (process 4711)`; undefined stands for an invisible process.
 */
export function describeProcess(process: Pick<ProcessFacts, "name" | "pid"> | Owner | undefined): string {
  if (process === undefined) return "a process that cannot be seen";
  return `${printable("name" in process ? process.name : process.command)} (process ${process.pid})`;
}

/** Returns how to resume a stopped process. */
export function howToGoOn({ pid, isFrozen }: ProcessFacts): string {
  return isFrozen ? "thaw its cgroup: docker unpause, systemctl thaw" : `kill -CONT ${pid}`;
}

export function isOutOfDescriptors({ nofileLimit, openDescriptors }: ProcessFacts): boolean {
  if (nofileLimit === undefined || openDescriptors === undefined) return false;
  return openDescriptors >= numberOf(nofileLimit) - KEPT_BACK;
}

/** Returns whether a process is `fourtuple serve`, which uses more than one descriptor table. */
export function isOurServer({ args }: ProcessFacts): boolean {
  return args.includes("serve") && args.some((arg) => /(^|\/)(fourtuple|cli\/main\.js)$/.test(arg));
}
