// The ports that the kernel chooses source ports from: net.ipv4.ip_local_port_range less ip_local_reserved_ports. IPv6
// uses the same settings.
import { type PortRange, parsePorts } from "../../util/endpoint.js";
import { readSysctl, readSysctlNumbers } from "./sysctl.js";

/** The kernel's own default, for whoever has to take some range where the setting may not be read. */
export const DEFAULT_PORT_RANGE: PortRange = { first: 32_768, last: 60_999 };

/** undefined when it may not be read. */
export function readLocalPortRange(): PortRange | undefined {
  const [first, last] = readSysctlNumbers("net.ipv4.ip_local_port_range") ?? [];
  return first === undefined || last === undefined ? undefined : { first, last };
}

/** Reserved ports as ranges, `8080,9148-9150` in the file; undefined when they may not be read. */
export function readReservedPorts(): PortRange[] | undefined {
  return readSysctl("net.ipv4.ip_local_reserved_ports")
    ?.split(",")
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
