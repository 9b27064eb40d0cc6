// The server's process, where it is on this host: how it is named, whether it is one of ours, whether it is out of descriptors.

import type { ProcessFacts } from "../results/peer.js";
import { numberOf } from "../util/bound.js";
import { printable } from "../util/printable.js";

/** Servers keep a few descriptors back, to be able to close what they cannot take. */
const KEPT_BACK = 4;

export function describeProcess({ name, pid }: ProcessFacts): string {
  return `${printable(name)} (process ${pid})`;
}

/** How a process that is stopped goes on. */
export function howToGoOn({ pid, isFrozen }: ProcessFacts): string {
  return isFrozen ? "thaw its cgroup: docker unpause, systemctl thaw" : `kill -CONT ${pid}`;
}

export function isOutOfDescriptors({ nofileLimit, openDescriptors }: ProcessFacts): boolean {
  if (nofileLimit === undefined || openDescriptors === undefined) return false;
  return openDescriptors >= numberOf(nofileLimit) - KEPT_BACK;
}

/** A `fourtuple serve`: more than one descriptor table serves it. */
export function isOurServer({ args }: ProcessFacts): boolean {
  return args.includes("serve") && args.some((arg) => /(^|\/)(fourtuple|cli\/main\.js)$/.test(arg));
}
