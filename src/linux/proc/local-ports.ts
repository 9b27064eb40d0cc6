// Reads the ephemeral ports: net.ipv4.ip_local_port_range without ip_local_reserved_ports. IPv6 uses the same
// settings.
import { type PortRange, parsePorts } from "../../util/endpoint.js";
import { readSysctl, readSysctlNumbers } from "./sysctl.js";

/** The kernel's default, for use when the setting cannot be read. */
export const DEFAULT_PORT_RANGE: PortRange = { first: 32_768, last: 60_999 };

/** Returns the range; undefined if it cannot be read. */
export function readLocalPortRange(): PortRange | undefined {
  const [first, last] = readSysctlNumbers("net.ipv4.ip_local_port_range") ?? [];
  return first === undefined || last === undefined ? undefined : { first, last };
}

/** Returns the reserved ports, written as `8080,9148-9150` in the file; undefined if they cannot be read. */
export function readReservedPorts(): PortRange[] | undefined {
  return readSysctl("net.ipv4.ip_local_reserved_ports")
    ?.split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => parsePorts(part, part, 0));
}

/** Returns the number of ports of `within` contained in `ranges`, which must not overlap. */
export function countPortsWithin(ranges: readonly PortRange[], within: PortRange): number {
  return ranges.reduce(
    (sum, { first, last }) => sum + Math.max(0, Math.min(last, within.last) - Math.max(first, within.first) + 1),
    0,
  );
}
