// Merges the counts of TCP in user space.

import type { PacketCounts } from "../engine.js";
import { ICMP_KINDS } from "../identifiers.js";

export function addPackets(a: PacketCounts, b: PacketCounts): PacketCounts {
  const { icmp: first, ...fields } = a;
  const sums = Object.fromEntries(
    Object.entries(fields).map(([field, count]) => [field, count + b[field as keyof typeof fields]]),
  ) as typeof fields;
  const countOf = (list: PacketCounts["icmp"], kind: string) => list.find((each) => each.kind === kind)?.count ?? 0;
  const icmp = ICMP_KINDS.map((kind) => ({ kind, count: countOf(first, kind) + countOf(b.icmp, kind) }));
  return { ...sums, icmp: icmp.filter(({ count }) => count > 0) };
}
