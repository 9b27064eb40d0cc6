// How high a run came, and the heights at which runs get stuck so often that the number alone makes one suspect a limit.

import { countHalfOpen } from "../../client/evidence/half-open.js";
import type { ConnectResult } from "../../results/connect.js";

const PLATEAUS: readonly { from: number; to: number; suspect: string }[] = [
  { from: 1000, to: 1024, suspect: "the usual soft limit of open files is 1,024, at either end" },
  {
    from: 14_000,
    to: 14_200,
    suspect: "half of the default port range: the kernel's search takes odd and even ports in turn",
  },
  { from: 28_100, to: 28_232, suspect: "the default ip_local_port_range has 28,232 ports" },
  { from: 32_200, to: 32_256, suspect: "half of the ports from 1024 on" },
  { from: 64_400, to: 65_535, suspect: "one source address has some 64,500 ports towards one destination" },
  { from: 65_536, to: 65_600, suspect: "conntrack's maximum is often 65,536" },
  { from: 262_000, to: 262_144, suspect: "conntrack's maximum is often 262,144" },
  { from: 524_000, to: 524_288, suspect: "systemd's usual hard limit of open files is 524,288" },
  { from: 1_048_000, to: 1_048_576, suspect: "fs.nr_open is 1,048,576 by default" },
];

/** What the height of a plateau makes one suspect; undefined for other heights. */
export function plateauAt(connections: number): string | undefined {
  return PLATEAUS.find(({ from, to }) => connections >= from && connections <= to)?.suspect;
}

/** Connections that were still open at the end; results before there was that number tell it by others. */
export function openAtStop({ openAtStop, peakOpen, lost }: ConnectResult): number {
  return openAtStop ?? Math.max(0, peakOpen - lost);
}

/**
 * What was held at once: the kernel's count or our own, whichever is lower, since the kernel's is of everybody's connections
 * towards the destination; at the server's end, where that has fewer, and without what waits there to be accepted.
 */
export function reachedBy(result: ConnectResult): number {
  const { kernel, peakOpen, lost, evidence } = result;
  const own = (lost > 0 ? openAtStop(result) : peakOpen) - (evidence.accepting?.waiting ?? 0);
  // Where all were lost in the end, the peak is what there was at once.
  if (own <= 0) return evidence.accepting ? 0 : peakOpen;
  if (!kernel || kernel.outgoing === 0) return own;
  return Math.min(own, kernel.outgoing - countHalfOpen(result) - (evidence.accepting?.waiting ?? 0));
}
