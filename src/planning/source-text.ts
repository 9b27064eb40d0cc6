// Describes problems with source addresses, for errors before a run and explanations after it.
import type { BadSource } from "../results/peer.js";
import { formatCount } from "../util/units.js";

const NAMED = 3;

/**
 * Formats the problem, for example as `10.0.0.2 and 10.0.0.4 are not addresses of this host`.
 */
export function describeBadSources(bad: readonly BadSource[], count: number): string {
  const [first] = bad;
  if (!first) return "";
  if (count === 1) return describeBadSource(first);
  if (bad.every(({ problem }) => problem === "absent")) {
    const names = bad.slice(0, NAMED).map(({ ip }) => ip);
    const more = count - names.length;
    const list = more > 0 ? `${names.join(", ")} and ${formatCount(more)} more` : joinNames(names);
    return `${list} are not addresses of this host`;
  }
  const named = bad.slice(0, NAMED).map(describeBadSource).join("; ");
  return count > NAMED ? `${named}; and ${formatCount(count - NAMED)} more` : named;
}

function describeBadSource({ ip, problem, detail }: BadSource): string {
  const device = detail ?? "an interface";
  switch (problem) {
    case "interface-down":
      return `${ip} is on ${device}, which is down`;
    case "tentative":
      return `${ip} on ${device} is tentative: duplicate address detection has not finished`;
    case "duplicate":
      return `${ip} on ${device} failed duplicate address detection: another host has it`;
    case "nonlocal":
      return `${ip} is on no interface, only in a local route; IPv6 can use it only with net.ipv6.ip_nonlocal_bind=1`;
    case "family-disabled":
      return `${ip} cannot be a source address: ${disabledText(detail)}`;
    case "absent":
      return `${ip} is not an address of this host`;
    default:
      return `${ip} cannot be a source address: bind() returned ${detail}`;
  }
}

/** Describes why a destination cannot be reached from any of this host's addresses. */
export function describeUnreachable({ ip, problem, detail }: BadSource): string {
  const family = ip.includes(":") ? "IPv6" : "IPv4";
  const device = detail ?? "an interface";
  const none = `no ${family} source address for ${ip}`;
  switch (problem) {
    case "interface-down":
      return `no route to ${ip}: ${device} is down`;
    case "tentative":
      return `${none}: the addresses on ${device} are tentative, because duplicate address detection has not finished`;
    case "duplicate":
      return `${none}: the address on ${device} failed duplicate address detection, because another host has it`;
    case "family-disabled":
      return `${none}: ${disabledText(detail)}`;
    case "no-route":
      return `no route to ${ip} (${detail})`;
    case "refused":
      return `this host cannot connect to ${ip} (${detail})`;
    default:
      return `${none}: this host has no ${family} address that reaches it`;
  }
}

/** Returns the fix as a sentence. */
export function fixFor({ problem, detail, ip }: BadSource): string {
  if (problem === "family-disabled") {
    return detail?.startsWith("net.")
      ? `enable IPv6 (sysctl ${detail}=0), or use IPv4`
      : "load or enable IPv6 (ipv6.disable=0 on the kernel's command line), or use IPv4";
  }
  if (problem === "interface-down") return `bring it up: ip link set ${detail ?? "INTERFACE"} up`;
  if (problem === "tentative") return "wait for it to finish (ip -6 address), or add the address with nodad";
  if (problem === "duplicate") return "change this host's address or the other host's (ip -6 address)";
  if (problem === "nonlocal") return "sysctl net.ipv6.ip_nonlocal_bind=1, or add the addresses to an interface";
  if (problem === "no-route" || problem === "refused")
    return `check the address and the route to it (ip route get ${ip})`;
  return "use addresses that this host has (ip -brief address), or add them to an interface";
}

function disabledText(detail: string | undefined): string {
  return detail?.startsWith("net.") ? `IPv6 is disabled, ${detail} is 1` : `the kernel has no IPv6, ${detail}`;
}

function joinNames(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
