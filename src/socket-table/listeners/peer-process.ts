// A process at the other end, where that is on this host: how sentences name it, whether it is one of ours, whether it is stopped or out
// of descriptors. Which process it is, peer.ts finds.

import type { ProcessFacts } from "../../results/peer.js";
import type { Owner } from "../../results/sockets/owners.js";
import { numberOf } from "../../util/bound.js";
import { printable } from "../../util/printable.js";

/** Servers keep a few descriptors back, to be able to close what they cannot take. */
const KEPT_BACK = 4;

/** `nginx (process 4711)`, by the name of its facts or of a socket's owner; one that is undefined cannot be seen. */
export function describeProcess(process: Pick<ProcessFacts, "name" | "pid"> | Owner | undefined): string {
  if (process === undefined) return "a process that cannot be seen";
  return `${printable("name" in process ? process.name : process.command)} (process ${process.pid})`;
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
