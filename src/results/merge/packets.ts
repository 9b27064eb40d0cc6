// Merges the counts of TCP in user space.

import type { PacketCounts } from "../engine.js";
import { ICMP_KINDS } from "../identifiers.js";

export function addPackets(a: PacketCounts, b: PacketCounts): PacketCounts {
  const { icmp: first, ...left } = a;
  const { icmp: second, ...right } = b;
  const fields = Object.keys({ ...left, ...right }) as (keyof typeof left)[];
  const sums = Object.fromEntries(fields.map((field) => [field, (left[field] ?? 0) + (right[field] ?? 0)]));
  const countOf = (list: PacketCounts["icmp"], kind: string) => list.find((each) => each.kind === kind)?.count ?? 0;
  const icmp = ICMP_KINDS.map((kind) => ({ kind, count: countOf(first, kind) + countOf(second, kind) }));
  return { ...(sums as typeof left), icmp: icmp.filter(({ count }) => count > 0) };
}
