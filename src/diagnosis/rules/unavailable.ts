// Explains EADDRNOTAVAIL: the source address is missing from this host, there is no route to the destination, or no
// 4-tuple is left. The first two causes are ruled out before the last, and TIME_WAIT before the settings.

import { REUSE_DELAY_MS, TIME_WAIT_SECONDS } from "../../capacity/limits/time-wait.js";
import { describeBadSources, describeUnreachable, fixFor } from "../../planning/source-text.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import type { PortShortage } from "../../results/peer.js";
import { formatCount, formatDuration, formatRate, plural } from "../../util/units.js";
import { seen } from "./local-errors.js";
import { openAtStop } from "./plateaus.js";

const RANGE = "net.ipv4.ip_local_port_range";
const REUSE = "net.ipv4.tcp_tw_reuse";

/** @returns undefined if the failure is of another kind */
export function explainUnavailable(result: ConnectResult, failure: FailureReport): Finding | undefined {
  if (failure.errno !== "EADDRNOTAVAIL") return undefined;
  const { shortage } = result.evidence;
  const [bad] = shortage?.badSources ?? [];
  const [unreachable] = shortage?.unreachable ?? [];
  if (shortage && bad) return sourcesGone(result, failure, shortage);
  if (unreachable) {
    return {
      limit: "route",
      whose: "local",
      meaning: describeUnreachable(unreachable),
      fix: fixFor(unreachable),
      evidence: [seen(failure), ...(shortage?.unreachable.slice(1).map(describeUnreachable) ?? [])],
    };
  }
  if (shortage && isTimeWait(result, shortage)) return inTimeWait(result, failure, shortage);
  return failure.phase === "connect" || result.plan.sourcePorts === "kernel"
    ? rangeUsedUp(result, failure)
    : planUsedUp(result, failure);
}

/** Every source address belonged to this host when the run began. */
function sourcesGone(
  result: ConnectResult,
  failure: FailureReport,
  { badSources, badSourceCount }: PortShortage,
): Finding {
  const what = describeBadSources(badSources, badSourceCount);
  const left = result.plan.sourceAddresses - badSourceCount;
  return {
    limit: "source-address",
    whose: "local",
    meaning: what
      .replace(/\bis not an address\b/, "is no longer an address")
      .replace(/\bare not addresses\b/, "are no longer addresses"),
    fix: "add it to an interface again (ip address add), or remove it from --source-ip",
    evidence: [
      seen(failure),
      `${formatCount(Math.max(0, left))} of ${plural(result.plan.sourceAddresses, "source address", "source addresses")} can still be bound`,
    ],
  };
}

/** Returns whether nothing but 4-tuples in TIME_WAIT kept the run from continuing. */
function isTimeWait(result: ConnectResult, { timeWaits, closing }: PortShortage): boolean {
  if (timeWaits === 0 || timeWaits < closing) return false;
  return comesAndGoes(result)
    ? timeWaits + closing >= result.plan.tuplesAvailable / 2
    : timeWaits >= result.requested - result.established;
}

/** Returns whether connections were closed from this side while others were being opened. */
function comesAndGoes(result: ConnectResult): boolean {
  return result.established - result.lost > openAtStop(result);
}

function inTimeWait(result: ConnectResult, failure: FailureReport, shortage: PortShortage): Finding {
  const { plan } = result;
  const tuples = plan.tuplesAvailable;
  const seconds = keptMs(result) / 1000;
  const isChurn = comesAndGoes(result);
  const wait = formatDuration(shortage.timeWaitLastMs);
  return {
    limit: "time-wait",
    whose: "local",
    meaning: isChurn
      ? `every source port for the destination is in TIME_WAIT: the side that closes first keeps the 4-tuple for ${TIME_WAIT_SECONDS} s`
      : `connections closed in the last ${TIME_WAIT_SECONDS} s still occupy planned 4-tuples in TIME_WAIT`,
    fix: [
      isChurn ? "keep connections open or pool them (HTTP keep-alive)" : `wait ${wait}, or close with --close rst`,
      reuseAdvice(result),
      "more source addresses (--source-ip) or ports",
    ]
      .filter((advice) => advice !== undefined)
      .join("; or "),
    evidence: [
      seen(failure),
      `${formatCount(shortage.timeWaits)} of ${formatCount(tuples)} 4-tuples in TIME_WAIT: the first ends in ${formatDuration(shortage.timeWaitFirstMs)}, the last in ${wait}`,
      ...closingFact(shortage),
      ...(isChurn
        ? [
            `${formatCount(tuples)} ÷ ${formatRate(seconds)} s = ${formatRate(tuples / seconds)} connections/s sustained; this run opened ${formatRate(result.ratePerSec)}/s`,
          ]
        : []),
      ...reuseFacts(result),
    ],
  };
}

/** Returns whether connect() reuses the 4-tuple of an old enough TIME_WAIT socket to these destinations. */
function isReused(result: ConnectResult): boolean {
  const { [REUSE]: reuse, "net.ipv4.tcp_timestamps": timestamps } = result.evidence.settings;
  const isOverLoopback = () => result.endpoints.every(({ ip }) => ip.startsWith("127.") || ip === "::1");
  return timestamps !== 0 && (reuse === 1 || (reuse === 2 && isOverLoopback()));
}

/** Returns how long a closed connection's 4-tuple is unavailable to connect(), in milliseconds. */
function keptMs(result: ConnectResult): number {
  return isReused(result) ? reuseDelayMs(result) : TIME_WAIT_SECONDS * 1000;
}

function reuseDelayMs({ evidence }: ConnectResult): number {
  return evidence.settings[`${REUSE}_delay`] ?? REUSE_DELAY_MS;
}

/** Returns advice on tcp_tw_reuse, or undefined if it would not help. */
function reuseAdvice(result: ConnectResult): string | undefined {
  const delay = reuseDelayMs(result);
  const shorter = delay > REUSE_DELAY_MS ? `a shorter ${REUSE}_delay` : undefined;
  if (isReused(result)) return shorter;
  const on = result.evidence.settings["net.ipv4.tcp_timestamps"] === 0 ? "net.ipv4.tcp_timestamps=1 and " : "";
  const after = shorter
    ? `, and ${shorter}`
    : `, so that connect() can reuse a TIME_WAIT 4-tuple after ${formatDuration(delay)}`;
  return `${on}${REUSE}=1${after}`;
}

function reuseFacts({ evidence }: ConnectResult): string[] {
  const { [REUSE]: reuse, [`${REUSE}_delay`]: delay } = evidence.settings;
  if (reuse === undefined) return [];
  const scope = ["off", "on", "for loopback only"][reuse] ?? "";
  return [`${REUSE} is ${reuse} (${scope})${delay === undefined ? "" : `, ${REUSE}_delay ${formatDuration(delay)}`}`];
}

/** A plan with explicit ports has run out of 4-tuples. */
function planUsedUp({ plan, evidence }: ConnectResult, failure: FailureReport): Finding {
  return {
    limit: "source-ports",
    whose: "local",
    meaning: "every planned 4-tuple is in use: the source addresses have no ports left for the destination",
    fix: "add source addresses (--source-ip), source ports (--source-port 1024-65535), or a second destination port (host:7777-7778)",
    evidence: [
      seen(failure),
      `${formatCount(plan.tuplesAvailable)} 4-tuples planned: ${plural(plan.sourceAddresses, "source address", "source addresses")}, ports ${plan.sourcePorts}`,
      ...(plan.tuplesSkipped > 0 ? [`${formatCount(plan.tuplesSkipped)} of them in use by other sockets`] : []),
      ...timeWaitFact(evidence.shortage),
      ...closingFact(evidence.shortage),
    ],
  };
}

function rangeUsedUp({ requested, plan, evidence }: ConnectResult, failure: FailureReport): Finding {
  const {
    [`${RANGE}.first`]: first = 0,
    [`${RANGE}.last`]: last = 0,
    [`${RANGE}.reserved`]: reserved = 0,
  } = evidence.settings;
  const ports = last - first + 1;
  const facts = [
    seen(failure),
    `${RANGE} is ${first}-${last}: ${formatCount(ports)} ports, ${formatCount(reserved)} of them reserved`,
    ...timeWaitFact(evidence.shortage),
    ...closingFact(evidence.shortage),
  ];
  // Without the reserved ports, the range would have been large enough.
  const pairs = ports > reserved ? plan.tuplesAvailable / (ports - reserved) : 0;
  if (reserved > 0 && pairs * ports >= requested) {
    return {
      limit: "ip-local-reserved-ports",
      whose: "local",
      meaning: `net.ipv4.ip_local_reserved_ports reserves ${formatCount(reserved)} of the ${formatCount(ports)} ports that the kernel may choose from`,
      fix: "omit --source-port kernel, add source addresses (--source-ip), or reserve fewer ports",
      evidence: facts,
    };
  }
  return {
    limit: "ip-local-port-range",
    whose: "local",
    meaning: "the kernel found no free source port for the destination: the ephemeral range is used up",
    fix: `add source addresses (--source-ip), omit --source-port kernel, or widen ${RANGE}`,
    evidence: facts,
  };
}

function timeWaitFact(shortage: PortShortage | undefined): string[] {
  if (!shortage || shortage.timeWaits === 0) return [];
  return [`${formatCount(shortage.timeWaits)} in TIME_WAIT, for up to ${formatDuration(shortage.timeWaitLastMs)} more`];
}

function closingFact(shortage: PortShortage | undefined): string[] {
  if (!shortage || shortage.closing === 0) return [];
  return [`${formatCount(shortage.closing)} closed at this end but not by the peer (FIN_WAIT)`];
}
