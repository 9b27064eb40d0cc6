// Handshakes that succeeded at the second attempt: they cost time, and say something of the way or of the server.

import type { ConnectResult } from "../../results/connect.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { overflows } from "./accept-queue.js";

/** A SYN is sent again after a second at first; one of this run's took so long, or it was another program's. */
const RESENT_US = 200_000;
/** Beside so many handshakes a single SYN of another program's is not worth a word. */
const WORTH_A_NOTE = 0.01;

/** What SYNs that were sent again say, as far as they are this run's. */
export function handshakeNotes({ evidence, established, latency }: ConnectResult): string[] {
  const { "TcpExt.TCPSynRetrans": resent = 0, "Tcp.OutRsts": resets = 0 } = evidence.deltas;
  if (established === 0 || resent === 0) return [];
  const { maxUs = 0, p90Us = 0 } = latency?.connect ?? {};
  const isMuch = resent >= Math.max(2, established * WORTH_A_NOTE);
  if (maxUs < RESENT_US && !isMuch) return [];
  const sent = `${formatCount(resent)} ${resent === 1 ? "SYN was" : "SYNs were"} sent again`;
  // The answer to a SYN that meets an old connection is a challenge ACK: our kernel resets that one, and sends the SYN again at once.
  if (maxUs < RESENT_US) {
    return resets >= resent / 2
      ? [
          `${sent} (TCPSynRetrans) at once: the server's host still had connections of the same 4-tuples, and answered with challenge ACKs; ${formatCount(resets)} resets ended these`,
        ]
      : [];
  }
  const overflowed = overflows(evidence.deltas);
  const cause =
    overflowed > 0
      ? `an accept queue of this host overflowed ${formatCount(overflowed)} times`
      : "the first ones were dropped: by a firewall or a rate limit, by a full accept queue of the server, or on the way";
  const cost = `connecting took ${formatDuration(p90Us / 1000)} (p90), at the most ${formatDuration(maxUs / 1000)}`;
  return [`${sent} (TCPSynRetrans): ${cause}; ${cost}`];
}
