// Computes how many connections a run reached, and recognizes numbers that point to a known limit.

import { countHalfOpen } from "../../client/evidence/half-open.js";
import type { ConnectResult } from "../../results/connect.js";

const PLATEAUS: readonly { from: number; to: number; suspect: string }[] = [
  { from: 1000, to: 1024, suspect: "the usual soft open-file limit is 1,024, at either end" },
  {
    from: 14_000,
    to: 14_200,
    suspect: "half of the default port range: the kernel searches odd and even ports separately",
  },
  { from: 28_100, to: 28_232, suspect: "the default ip_local_port_range has 28,232 ports" },
  { from: 32_200, to: 32_256, suspect: "half of the ports from 1024 on" },
  { from: 64_400, to: 65_535, suspect: "one source address has about 64,500 ports per destination" },
  { from: 65_536, to: 65_600, suspect: "conntrack's limit is often 65,536" },
  { from: 262_000, to: 262_144, suspect: "conntrack's limit is often 262,144" },
  { from: 524_000, to: 524_288, suspect: "systemd's usual hard open-file limit is 524,288" },
  { from: 1_048_000, to: 1_048_576, suspect: "fs.nr_open is 1,048,576 by default" },
];

/** Returns the limit that a plateau points to; undefined for other numbers. */
export function plateauAt(connections: number): string | undefined {
  return PLATEAUS.find(({ from, to }) => connections >= from && connections <= to)?.suspect;
}

/** Returns the number of connections still open at the end; derived from other counts for results of older versions. */
export function openAtStop({ openAtStop, peakOpen, lost }: ConnectResult): number {
  return openAtStop ?? Math.max(0, peakOpen - lost);
}

/**
 * Returns the number of connections held at once: the lower of the kernel's count and fourtuple's own count, because
 * the kernel also counts other programs' connections to the destination. If the server's count is lower, it is used
 * instead; connections waiting to be accepted are excluded.
 */
export function reachedBy(result: ConnectResult): number {
  const { kernel, peakOpen, lost, evidence } = result;
  const own = (lost > 0 ? openAtStop(result) : peakOpen) - (evidence.accepting?.waiting ?? 0);
  // If all connections were lost by the end, the peak is the number held at once.
  if (own <= 0) return evidence.accepting ? 0 : peakOpen;
  if (!kernel?.outgoing) return own;
  return Math.min(own, kernel.outgoing - countHalfOpen(result) - (evidence.accepting?.waiting ?? 0));
}
