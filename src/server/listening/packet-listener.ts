// Checks the address of a server without kernel sockets, which must belong to no interface and is routed to the
// server's TUN device.
import { randomInt } from "node:crypto";
import { resolveHost } from "../../linux/resolve.js";
import { openEventfd } from "../../linux/syscalls/eventfd.js";
import { deviceFor } from "../../planning/packet/plan.js";
import { assertTunAllowed, assertUnclaimed } from "../../planning/packet/sources.js";
import type { PacketServerPlan } from "../../transport/contract.js";
import { formatIp, isLinkLocal } from "../../util/address.js";
import type { HostPorts } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import type { Listener } from "./listener.js";

/** The ports that the kernel would choose from. */
const EPHEMERAL = { first: 32_768, end: 61_000 };

/**
 * Checks the address, without creating the TUN device yet.
 *
 * @returns a listener whose descriptor only stands for a socket
 * @throws {AppError} E_ADDRESS, E_RESOLVE, E_SOURCE, E_PERMISSION or E_PLATFORM
 */
export async function openPacketListener({ host, ports }: HostPorts, backlog: number): Promise<Listener> {
  assertTunAllowed();
  const ip = await resolveHost(host);
  const isWildcard = ip.bytes.every((byte) => byte === 0);
  if (ports.first !== ports.last || isWildcard || isLinkLocal(ip)) {
    throw new AppError("E_ADDRESS", "with --transport packet, a server listens on one address and one port", {
      fix: "use an address that no host has, such as 10.64.0.1:7777",
    });
  }
  const addresses = { first: ip, count: 1 };
  assertUnclaimed([addresses], []);
  const port = ports.first === 0 ? randomInt(EPHEMERAL.first, EPHEMERAL.end) : ports.first;
  const packet: PacketServerPlan = { device: deviceFor([addresses]), listener: { addresses, port } };
  return { fd: openEventfd(), ip: formatIp(ip), port, backlog, packet };
}
