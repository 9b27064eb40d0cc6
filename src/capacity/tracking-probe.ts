// Tests whether netfilter tracks connections over loopback here. Nothing is tracked until a firewall rule uses
// connection state, and rules may exempt ports (notrack).

import { isConntrackHidden, readConntrack } from "../linux/proc/net-stats.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import { bindTo, closeFd, connectTo, listenOn, localAddress, openTcp } from "../linux/syscalls/socket.js";
import { type IpAddress, parseIp } from "../util/address.js";

export interface Tracking {
  /** Undefined if tracking could not be tested. */
  readonly isTracked: boolean | undefined;
  /** True if the destination's port was tested; otherwise rules about that port were not covered. */
  readonly isOfPort: boolean;
}

/** Loopback address that services rarely listen on explicitly. */
const LISTENER = parseIp("127.83.71.59");
/**
 * Number of simultaneous connections. Other programs' connections come and go, but only this test makes the count jump
 * by so much.
 */
const PROBES = 4;
const ATTEMPTS = 3;

/**
 * Opens connections over loopback to its own listener and checks whether they are tracked.
 *
 * @param port the destination's port, because firewall rules often depend on it. If a service listens on this port at
 *   all addresses, another port is used instead. Omit the port if it may be redirected, because the connections would
 *   reach another program.
 */
export function findTracking(port: number | undefined): Tracking {
  if (readConntrack() === undefined) return { isTracked: isConntrackHidden() ? undefined : false, isOfPort: true };
  const ofPort = port === undefined ? undefined : tryAt(LISTENER, port);
  if (ofPort !== undefined) return { isTracked: ofPort, isOfPort: true };
  return { isTracked: tryAt(LISTENER, 0), isOfPort: port === undefined };
}

function tryAt(ip: IpAddress, port: number): boolean | undefined {
  const listener = openTcp(4);
  try {
    if (bindTo(listener, new SocketAddress(ip, port)) < 0 || listenOn(listener, PROBES * ATTEMPTS) < 0)
      return undefined;
    const address = new SocketAddress(ip, localAddress(listener).port);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) if (raisesCount(address)) return true;
    return false;
  } finally {
    if (listener >= 0) closeFd(listener);
  }
}

function raisesCount(address: SocketAddress): boolean {
  const before = readConntrack()?.count ?? 0;
  const clients = Array.from({ length: PROBES }, () => openTcp(4));
  // These connect() calls are still in progress, but their SYNs have been sent.
  for (const client of clients) connectTo(client, address);
  const deltas = (readConntrack()?.count ?? 0) - before;
  for (const client of clients) if (client >= 0) closeFd(client);
  return deltas >= PROBES;
}
