// Notes on handshakes that needed more than one SYN. Such handshakes take longer, and point to a problem on the path or
// at the server.

import type { ConnectResult } from "../../results/connect.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { overflows } from "./accept-queue.js";

/**
 * SYNs are first retransmitted after a second. If no handshake took this long, the retransmitted SYN belonged to
 * another program.
 */
const RESENT_US = 200_000;
/** Below this share of handshakes, retransmissions are attributed to other programs and not reported. */
const WORTH_A_NOTE = 0.01;

/** Explains retransmitted SYNs that appear to belong to this run. */
export function handshakeNotes({ evidence, established, latency }: ConnectResult): string[] {
  const { "TcpExt.TCPSynRetrans": resent = 0, "Tcp.OutRsts": resets = 0 } = evidence.deltas;
  if (established === 0 || resent === 0) return [];
  const { maxUs = 0, p90Us = 0 } = latency?.connect ?? {};
  const isMuch = resent >= Math.max(2, established * WORTH_A_NOTE);
  if (maxUs < RESENT_US && !isMuch) return [];
  const sent = `${formatCount(resent)} ${resent === 1 ? "SYN was" : "SYNs were"} retransmitted`;
  // A SYN for an old connection is answered with a challenge ACK; our kernel resets that connection and resends the SYN
  // at once.
  if (maxUs < RESENT_US) {
    return resets >= resent / 2
      ? [
          `${sent} (TCPSynRetrans) at once: the server's host still had connections with the same 4-tuples and answered with challenge ACKs; ${formatCount(resets)} resets ended them`,
        ]
      : [];
  }
  const overflowed = overflows(evidence.deltas);
  const cause =
    overflowed > 0
      ? `an accept queue on this host overflowed ${formatCount(overflowed)} times`
      : "the first SYNs were dropped by a firewall, a rate limit or the server's full accept queue, or were lost on the path";
  const cost = `connecting took ${formatDuration(p90Us / 1000)} (p90), at most ${formatDuration(maxUs / 1000)}`;
  return [`${sent} (TCPSynRetrans): ${cause}; ${cost}`];
}
