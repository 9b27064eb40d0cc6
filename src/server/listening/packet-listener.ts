// Checks the addresses of a server without kernel sockets, which must belong to no interface and are routed to the
// TUN devices of its workers.
import { randomInt } from "node:crypto";
import { resolveHost } from "../../linux/resolve.js";
import { openEventfd } from "../../linux/syscalls/eventfd.js";
import { type NetworkPlan, planNetwork } from "../../planning/packet/network.js";
import { assertNoPeers } from "../../planning/packet/peers.js";
import { deviceFor } from "../../planning/packet/plan.js";
import { assertTunAllowed, assertUnclaimed } from "../../planning/packet/sources.js";
import type { PacketServerPlan } from "../../transport/contract.js";
import { allocateCounts } from "../../transport/packet/counts.js";
import { MOST_QUEUES, planSharedTun } from "../../transport/packet/devices/shared-tun.js";
import { addToIp, formatIp, isLinkLocal, isLoopback, toInteger } from "../../util/address.js";
import { type AddressRange, parseAddressRanges } from "../../util/address-range.js";
import type { HostPorts } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { exactShare } from "../../util/share.js";
import type { Listener } from "./listener.js";

/** The ports that the kernel would choose from. */
const EPHEMERAL = { first: 32_768, end: 61_000 };
/** Host text that is a range of addresses: `10.64.0.1-10.64.0.9`, `10.64.0.0/24`. */
const RANGE = /^[\d.]+[-/][\d.]+$|^[\da-f:.]*:[\da-f:.]*[-/][\da-f:.]+$/i;

/**
 * Checks the addresses, without creating TUN devices yet.
 *
 * @param threads number of workers. Each gets addresses and a device of its own, or a queue of a device for all of them.
 * @param prepare changes this host as the server needs it, if the caller may
 * @returns a listener whose descriptor only stands for a socket
 * @throws {AppError} E_ADDRESS, E_RESOLVE, E_OPTION, E_SOURCE, E_PERMISSION or E_PLATFORM
 */
export async function openPacketListener(
  { host, ports }: HostPorts,
  backlog: number,
  threads: number,
  prepare: (network: NetworkPlan) => Promise<void> | void,
  delaysAcks: boolean,
): Promise<Listener> {
  assertTunAllowed();
  const addresses = await packetAddresses(host);
  const { first: ip, count } = addresses;
  const last = addToIp(ip, count - 1);
  const isWildcard = ip.bytes.every((byte) => byte === 0);
  if (ports.first !== ports.last || isWildcard || isLinkLocal(ip) || isLoopback(ip)) {
    throw new AppError("E_ADDRESS", "with --transport packet, a server listens on one port of addresses of its own", {
      fix: "use addresses that no host has, such as 10.64.0.1:7777 or 10.64.0.1-10.64.0.8:7777",
    });
  }
  if (toInteger(ip) >> 32n !== toInteger(last) >> 32n) {
    throw new AppError("E_ADDRESS", `the last 32 bits of addresses wrap around in ${quoted(host)}`, {
      fix: "use a range of addresses that share all other bits",
    });
  }
  const port = ports.first === 0 ? randomInt(EPHEMERAL.first, EPHEMERAL.end) : ports.first;
  const sources = [addresses];
  const onLink = assertUnclaimed(sources, []);
  // Clients may still be connected to a server that was killed.
  await assertNoPeers(sources, { remote: { ports: [{ first: port, last: port }] } });
  const network = planNetwork({ sources, destinations: undefined, onLink });
  await prepare(network);
  // If there are fewer addresses than threads, all threads have all of them.
  const shared = count < threads ? planSharedTun(Math.min(threads, MOST_QUEUES)) : undefined;
  const parts = shared ? Array.from({ length: shared.queues }, () => addresses) : divide(addresses, threads);
  const packets = parts.map(
    (own): PacketServerPlan => ({
      device: { ...deviceFor([own], network.mtu), shared },
      listener: { addresses: own, port },
      counts: allocateCounts(),
      delaysAcks,
    }),
  );
  const lastIp = count > 1 ? formatIp(last) : undefined;
  return { fd: openEventfd(), ip: formatIp(ip), lastIp, port, backlog, packets };
}

/**
 * Returns the addresses that a host text stands for.
 * @throws {AppError} E_ADDRESS or E_RESOLVE
 */
export async function packetAddresses(host: string): Promise<AddressRange> {
  return RANGE.test(host) ? parseAddressRanges(host)[0]! : { first: await resolveHost(host), count: 1 };
}

/** Divides a range into `parts` consecutive ranges. */
function divide({ first, count }: AddressRange, parts: number): AddressRange[] {
  let before = 0;
  return Array.from({ length: parts }, (_, part) => {
    const own = { first: addToIp(first, before), count: exactShare(count, parts, part) };
    before += own.count;
    return own;
  });
}
