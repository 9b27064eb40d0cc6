// What a worker's TCP has counted, in memory shared with the main thread, which reads it once the worker has ended.

import type { PacketCounts } from "../../results/engine.js";
import { ICMP_KINDS } from "../../results/identifiers.js";
import type { Stack } from "./tcp/stack.js";

const FIELDS = [
  "sentPackets",
  "receivedPackets",
  "otherPackets",
  "retransmitted",
  "repeatedSyns",
  "outOfOrder",
  "malformed",
  "badChecksums",
  "earlierConnections",
  "strays",
  "unacknowledged",
] as const;

/** Place of the number of packets that the device has dropped. */
const DROPS_AT = FIELDS.length + ICMP_KINDS.length;

export function allocateCounts(): SharedArrayBuffer {
  return new SharedArrayBuffer((DROPS_AT + 1) * 8);
}

/** @param deviceDrops number of packets that the device has dropped, because its queue was full */
export function writeCounts({ counters, icmp }: Stack, memory: SharedArrayBuffer, deviceDrops: number): void {
  const counts = new Float64Array(memory);
  FIELDS.forEach((field, n) => {
    counts[n] = counters[field];
  });
  counts.set(icmp, FIELDS.length);
  counts[DROPS_AT] = deviceDrops;
}

/** Returns the sums over several workers. */
export function readCounts(memories: readonly SharedArrayBuffer[]): PacketCounts {
  const sum = (n: number) => memories.reduce((total, memory) => total + new Float64Array(memory)[n]!, 0);
  const fields = Object.fromEntries(FIELDS.map((field, n) => [field, sum(n)])) as Omit<
    PacketCounts,
    "icmp" | "deviceDrops"
  >;
  const kinds = ICMP_KINDS.map((kind, n) => ({ kind, count: sum(FIELDS.length + n) }));
  return { ...fields, deviceDrops: sum(DROPS_AT), icmp: kinds.filter(({ count }) => count > 0) };
}
