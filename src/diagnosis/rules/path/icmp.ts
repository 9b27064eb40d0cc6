// Explains handshakes that a firewall or router refused with ICMP. A host without a listener answers with a reset instead,
// and never with ICMP.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { formatCount, plural } from "../../../util/units.js";
import { seen } from "../local-errors.js";
import { cameAtOnce } from "../local-refusals.js";
import { countIcmp } from "./icmp-counts.js";

/** What the messages say, by the errno that the kernel makes of them (icmp_err_convert, tcp_v6_err). */
const SAYS: Readonly<Record<string, string>> = {
  ECONNREFUSED: '"port unreachable"',
  EHOSTUNREACH: '"host unreachable", "prohibited" or "time exceeded"',
  ENETUNREACH: '"network unreachable"',
  EACCES: '"prohibited"',
};

/**
 * @returns undefined if no other host has sent ICMP errors, or too few of them, or if the server is on this host, whose
 *   own rules are known
 */
export function explainIcmp(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { evidence, failures, established } = result;
  if (failure.phase !== "connect" || evidence.peer) return undefined;
  const received = countIcmp(result);
  // Senders limit the rate of their messages, so attempts may time out although others are refused.
  const isUnanswered = failure.errno === "ETIMEDOUT";
  const refused = isUnanswered ? failures.find((other) => isByIcmp(result, other)) : failure;
  if (!refused || !isByIcmp(result, refused) || received < refused.count) return undefined;
  const omitted = isUnanswered ? ", and limits the rate of its messages (icmp_ratelimit)" : "";
  return {
    limit: "path",
    whose: "network",
    meaning: `a firewall or router refuses the connections: it answers with ICMP, ${SAYS[refused.errno]}${omitted}`,
    fix: "see who sends the messages: tcpdump -n 'icmp or icmp6'; look there for rules that reject (nft list ruleset, iptables -S), also above a number or rate of connections, and for routes",
    evidence: [
      seen(failure),
      ...(isUnanswered ? [seen(refused)] : []),
      `${plural(received, "ICMP message")} from other hosts said "unreachable"`,
      ...(established > 0 ? [`${formatCount(established)} were established`] : []),
    ],
  };
}

function isByIcmp(result: ConnectResult, failure: FailureReport): boolean {
  return failure.phase === "connect" && Object.hasOwn(SAYS, failure.errno) && !cameAtOnce(result, failure);
}
