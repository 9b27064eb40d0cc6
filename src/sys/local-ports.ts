// The ports that the kernel chooses source ports from: net.ipv4.ip_local_port_range less ip_local_reserved_ports. IPv6
// uses the same settings.
import { type PortRange, parsePorts } from "../base/address.js";
import { readSysctl, readSysctlNumbers } from "./sysctl.js";

/** What an old or hidden setting is taken for: the kernel's own default. */
const DEFAULT_RANGE: PortRange = { first: 32_768, last: 60_999 };

export function readLocalPortRange(): PortRange {
  const [first = DEFAULT_RANGE.first, last = DEFAULT_RANGE.last] =
    readSysctlNumbers("net.ipv4.ip_local_port_range") ?? [];
  return { first, last };
}

/** Reserved ports as ranges, `8080,9148-9150` in the file; none when there are none or they may not be read. */
export function readReservedPorts(): PortRange[] {
  const text = readSysctl("net.ipv4.ip_local_reserved_ports") ?? "";
  return text
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => parsePorts(part, part, 0));
}

/** How many ports of `within` lie in `ranges`, which do not overlap. */
export function countPortsWithin(ranges: readonly PortRange[], within: PortRange): number {
  return ranges.reduce(
    (sum, { first, last }) => sum + Math.max(0, Math.min(last, within.last) - Math.max(first, within.first) + 1),
    0,
  );
}
