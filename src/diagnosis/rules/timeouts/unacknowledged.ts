// Explains messages that did not reach the server's host, although their connections are open: its kernel acknowledges
// whatever arrives, even for a program that is stopped or reads nothing.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding, Suspect } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { formatCount } from "../../../util/units.js";
import { seen } from "../local-errors.js";
import { droppedPackets } from "../local-refusals.js";
import { openAtStop } from "../plateaus.js";
import { HANDSHAKES } from "../protocols/not-taken.js";

/** Share of the connections that wait for answers, for which lost packets have to account. */
const MOST = 0.5;
/** Number of times that data of a connection is sent again, at least, before a handshake or heartbeat times out. */
const RETRANSMISSIONS = 2;
/** Failures of open connections on which the server answered nothing more, or heard nothing more. */
const SILENCES = ["NO_RESPONSE", "NO_PONG", "NO_PINGRESP", "DISCONNECT KEEP_ALIVE_TIMEOUT"];
const FIX =
  "check whether the server's host is still up and reachable (ping ADDRESS), and look for firewalls, NAT or load balancers on the path that have dropped the connections";
const MTU_FIX =
  "check the path's MTU (tracepath ADDRESS; ping -M do -s 1472 ADDRESS): a link with a smaller one, a tunnel, or a firewall that drops ICMP; a firewall may also drop everything after the handshake";
/** A connection whose path takes only small packets carries its handshake and nothing longer. */
const SMALL_BYTES = 500;

/**
 * @param facts evidence of what the run has missed
 * @returns undefined if the server's host acknowledges what it is sent, or if it is unknown
 */
export function explainUnacknowledged(result: ConnectResult, facts: readonly string[]): Finding | undefined {
  const { messages, evidence } = result;
  const stuck = countStuck(result);
  const unsent = evidence.unacknowledged?.unsent ?? 0;
  const waiting = messages?.waitingConnections ?? 0;
  if (stuck + unsent === 0 || stuck + unsent < MOST * waiting) return undefined;
  const known = [...facts, ...unacknowledgedNotes(result)];
  const here = droppedPackets(result, Math.max(stuck, unsent), known);
  if (here) return here;
  // Since nothing long has ever been answered, the path may not take it.
  const mayBeTooLong = messages !== undefined && messages.answered === 0 && messages.bytes >= SMALL_BYTES;
  return {
    limit: "path",
    whose: "network",
    meaning: mayBeTooLong
      ? "messages do not reach the server's host, although handshakes do: packets of their size are lost on the path"
      : "packets are lost on the path: the server's host no longer acknowledges what it is sent, or its acknowledgements do not return",
    fix: mayBeTooLong ? MTU_FIX : FIX,
    evidence: known,
  };
}

/** Explains open connections that the kernel, or TCP in this program, gave up because nothing was acknowledged. */
export function explainGivenUp(result: ConnectResult, failure: FailureReport): Finding {
  const facts = [seen(failure), `${formatCount(openAtStop(result))} stay open`];
  return (
    droppedPackets(result, failure.count, facts) ?? {
      limit: "path",
      whose: "network",
      meaning:
        "packets were lost on the path until TCP gave up: the server's host acknowledged neither data nor keep-alives",
      fix: FIX,
      evidence: facts,
    }
  );
}

/**
 * Adds lost packets to the explanation of a silent server, because a client that has closed its connections cannot tell
 * the two apart for certain.
 */
export function orLost(result: ConnectResult, failure: FailureReport, found: Finding | Suspect[]): Finding | Suspect[] {
  if (Array.isArray(found) || !isSilence(failure)) return found;
  const { deltas } = result.evidence;
  const { "Tcp.RetransSegs": resent = 0, "TcpExt.TCPSynRetrans": syns = 0 } = deltas;
  const data = result.packets?.retransmitted ?? resent - syns;
  const gaps = result.packets?.outOfOrder ?? deltas["TcpExt.TCPOFOQueue"] ?? 0;
  const isSending = data >= RETRANSMISSIONS * failure.count;
  if (!isSending && gaps < failure.count) return found;
  const lost: Suspect = {
    limit: "path",
    whose: "network",
    meaning: isSending
      ? "packets are lost on the path: what the connections sent did not reach the server's host"
      : "packets are lost on the path: the server answers, but its longer packets do not arrive",
    fix: failure.phase === "hold" ? FIX : MTU_FIX,
    evidence: [
      seen(failure),
      isSending
        ? `data was sent again ${formatCount(data)} times (${result.packets ? "fourtuple" : "RetransSegs, in this network namespace"})`
        : `${formatCount(gaps)} segments arrived without the ones before them (${result.packets ? "fourtuple" : "TCPOFOQueue, in this network namespace"})`,
    ],
    test: isSending
      ? "during a run: ss -tio shows retrans, and on the server ss -tn shows no bytes received, on connections of this run"
      : "on the server, during a run: ss -tio shows retrans on connections of this run",
  };
  return [lost, { ...found, test: "during a run: ss -tio shows no retrans, at either end" }];
}

function isSilence({ phase, errno }: FailureReport): boolean {
  return SILENCES.includes(errno) || (errno === "ETIMEDOUT" && HANDSHAKES.includes(phase));
}

/** Notes on lost packets that are not the reason for a missed target. */
export function unacknowledgedNotes(result: ConnectResult): string[] {
  const stuck = countStuck(result);
  return stuck > 0 ? [describeStuck(result, stuck)] : [];
}

/**
 * Returns the number of connections whose data was sent again and again, and not acknowledged. The kernel counts those
 * of other programs to the same server, too.
 */
function countStuck(result: ConnectResult): number {
  const { evidence, packets } = result;
  return Math.min(evidence.unacknowledged?.connections ?? packets?.unacknowledged ?? 0, openAtStop(result));
}

function describeStuck({ openAtStop, evidence }: ConnectResult, stuck: number): string {
  const who = evidence.unacknowledged ? "the kernel" : "fourtuple";
  return `on ${formatCount(stuck)} of ${formatCount(openAtStop)} open connections, ${who} had sent data again at least twice without an acknowledgement`;
}
