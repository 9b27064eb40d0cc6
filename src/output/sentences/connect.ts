// Sentences about a client's run, shared by the terminal and the pages.
import { isMeasurable } from "../../client/ramp/memory-fit.js";
import type { ConnectResult } from "../../results/connect.js";
import type { LatencySummary } from "../../results/histogram/latency-summary.js";
import { formatBytes, formatCount, formatDuration, plural } from "../../util/units.js";
import { HANDSHAKE_WORDS } from "./protocols.js";
import { WORTH_MEASURING } from "./run.js";
import { scriptRows } from "./script.js";

/** Returns a text such as `setup 120 ms, opening 1.20 s, held 10.0 s, closing 80 ms`. */
export function describeTimes({ setupMs, rampMs, holdMs, closeMs }: ConnectResult): string {
  const parts = [
    ["setup", setupMs],
    ["opening", rampMs],
    ["held", holdMs],
    ["closing", closeMs],
  ] as const;
  return parts.map(([name, ms]) => `${name} ${Number.isFinite(ms) ? formatDuration(Math.max(0, ms)) : "-"}`).join(", ");
}

/** Shows how the number of 4-tuples comes about, such as `2 addresses × ports 1024-65535 × 1 destination`. */
export function describeFactors({ plan, endpoints, fleet }: ConnectResult): string {
  // Each agent has addresses and ports of its own.
  if (fleet) return `the sum of ${plural(fleet.agents.filter(({ state }) => state === "ended").length, "agent")}`;
  const factors = [
    plural(plan.sourceAddresses, "address", "addresses"),
    plan.sourcePorts === "kernel" ? "ports chosen by the kernel" : describePorts(plan, endpoints),
    describeDestinations(endpoints),
  ];
  return factors.join(" × ");
}

/** An address connects only to destinations of its own family. */
function describeDestinations(endpoints: ConnectResult["endpoints"]): string {
  const ipv6 = endpoints.filter(({ ip }) => ip.includes(":")).length;
  const ipv4 = endpoints.length - ipv6;
  return ipv4 === 0 || ipv6 === 0
    ? plural(endpoints.length, "destination")
    : `destinations of the same family (${formatCount(ipv4)} IPv4, ${formatCount(ipv6)} IPv6)`;
}

/** Returns the kernel memory per connection, or why it is unknown. */
export type KernelMemory =
  | { readonly bytes: string; readonly error: string | undefined; readonly ends: "both ends" | "this end" }
  | "too few"
  | "not measurable";

export function kernelMemory({ memory, established }: ConnectResult): KernelMemory {
  const { kernelBytesPerConnection: bytes, kernelErrorPerConnection: error, kernelEnds } = memory;
  if (established < WORTH_MEASURING) return "too few";
  if (!isMeasurable(bytes, error)) return "not measurable";
  const ends = kernelEnds === "both" ? "both ends" : "this end";
  return { bytes: formatBytes(bytes), error: error === undefined ? undefined : `± ${formatBytes(error)}`, ends };
}

export const NOT_MEASURABLE = "other programs' memory use changed during the run";

/** Name of the latency of messages. */
export const ROUND_TRIP = "round trip";

/** Returns the measured latencies by name. */
export function latencyRows({
  latency,
  protocol = "tcp",
  script,
}: Pick<ConnectResult, "latency" | "protocol" | "script">): {
  readonly name: string;
  readonly summary: LatencySummary;
}[] {
  const rows = [
    { name: "connect", summary: latency.connect },
    ...(latency.tls ? [{ name: "TLS handshake", summary: latency.tls }] : []),
    ...(latency.handshake ? [{ name: HANDSHAKE_WORDS[protocol], summary: latency.handshake }] : []),
    { name: "first byte", summary: latency.firstByte },
    { name: ROUND_TRIP, summary: latency.roundTrip },
    ...(latency.delivery ? [{ name: "delivery", summary: latency.delivery }] : []),
    ...scriptRows({ script }),
  ];
  return rows.filter(({ summary }) => summary.count > 0);
}

/** Returns a text such as `ports 1024-65535`, with the number of ports that are left out because servers have them. */
function describePorts(
  { tuplesAvailable, sourceAddresses, sourcePorts }: ConnectResult["plan"],
  endpoints: ConnectResult["endpoints"],
): string {
  // Older results have the number of ports.
  if (/^\d+$/.test(sourcePorts)) return `ports ${formatCount(Number(sourcePorts))}`;
  const [first, last] = sourcePorts.split("-").map(Number) as [number, number];
  const omitted = last - first + 1 - tuplesAvailable / (sourceAddresses * endpoints.length);
  const isKnown = omitted > 0 && Number.isInteger(omitted) && omitted <= endpoints.length;
  return `ports ${sourcePorts}${isKnown ? ` except ${omitted === 1 ? "the server's" : `${omitted} used by servers`}` : ""}`;
}
