// Counts ICMP messages of both IP families.
import type { ConnectResult } from "../../../results/connect.js";
import type { Counters } from "../../../results/fields.js";

/** Returns the increase of a counter such as `InDestUnreachs` in ICMP for IPv4 and IPv6 together. */
export function icmpDelta(deltas: Counters, name: string): number {
  return (deltas[`Icmp.${name}`] ?? 0) + (deltas[`Icmp6.${name}`] ?? 0);
}

/** Returns the number of ICMP errors received from other hosts. */
export function countIcmp({ evidence: { deltas }, packets }: ConnectResult): number {
  if (packets) return packets.icmp.reduce((sum, { count }) => sum + count, 0);
  // A host also sends such messages to itself, for example if a neighbour does not answer.
  return Math.max(0, icmpDelta(deltas, "InDestUnreachs") - icmpDelta(deltas, "OutDestUnreachs"));
}
