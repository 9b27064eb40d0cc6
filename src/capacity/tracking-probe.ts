// Whether connections over loopback are tracked here: nothing is, until a firewall rule asks for connection state; and rules
// may leave out some ports (notrack).

import { isConntrackHidden, readConntrack } from "../linux/proc/net-stats.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import { bindTo, closeFd, connectTo, listenOn, localAddress, openTcp } from "../linux/syscalls/socket.js";
import { type IpAddress, parseIp } from "../util/address.js";

export interface Tracking {
  /** undefined when it could not be tried. */
  readonly isTracked: boolean | undefined;
  /** The port that was tried was the destination's; else rules about that port were not seen. */
  readonly isOfPort: boolean;
}

/** An address of loopback that services seldom listen on by itself. */
const LISTENER = parseIp("127.83.71.59");
/** Several at once: where other connections come and go, so many more in the same moment are ours. */
const PROBES = 4;
const ATTEMPTS = 3;

/**
 * Opens some connections over loopback to a listener of its own and looks whether they are tracked.
 *
 * @param port the destination's: rules are often about ports. Where a service has it on all addresses, another is taken. To be
 * left out where it may be redirected: the connections would go to somebody else.
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
  // Not ready at once, but their first packets have been sent.
  for (const client of clients) connectTo(client, address);
  const deltas = (readConntrack()?.count ?? 0) - before;
  for (const client of clients) if (client >= 0) closeFd(client);
  return deltas >= PROBES;
}
