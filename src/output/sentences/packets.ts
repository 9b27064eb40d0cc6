// Sentences about TCP in this program (--transport packet), shared by the terminal and the pages.
import type { PacketCounts } from "../../results/engine.js";
import { formatCount, plural } from "../../util/units.js";

/**
 * Returns a text such as `3,912 sent, 4,105 received; 12 retransmitted, 3 SYNs repeated`, with the counts of what went
 * wrong only if they are not 0; undefined with kernel sockets.
 */
export function describePackets(packets: PacketCounts | undefined): string | undefined {
  if (packets === undefined) return undefined;
  const all = `${formatCount(packets.sentPackets)} sent, ${formatCount(packets.receivedPackets)} received`;
  const icmp = packets.icmp.reduce((sum, { count }) => sum + count, 0);
  const kinds = packets.icmp.map(({ kind, count }) => `${formatCount(count)} ${kind}`).join(", ");
  const troubles: readonly (readonly [count: number, text: string])[] = [
    [packets.retransmitted, `${formatCount(packets.retransmitted)} retransmitted`],
    [packets.repeatedSyns, `${plural(packets.repeatedSyns, "SYN")} repeated`],
    [packets.outOfOrder, `${formatCount(packets.outOfOrder)} out of order`],
    [packets.deviceDrops ?? 0, `${formatCount(packets.deviceDrops ?? 0)} dropped by the full device queue`],
    [packets.malformed, `${formatCount(packets.malformed)} malformed`],
    [packets.badChecksums, `${plural(packets.badChecksums, "bad checksum")}`],
    [packets.earlierConnections, `${plural(packets.earlierConnections, "earlier connection")} reset`],
    [packets.strays ?? 0, `${plural(packets.strays ?? 0, "segment")} of no connection`],
    [icmp, `${plural(icmp, "ICMP error")} (${kinds})`],
  ];
  const seen = troubles.filter(([count]) => count > 0).map(([, text]) => text);
  return seen.length === 0 ? all : `${all}; ${seen.join(", ")}`;
}
