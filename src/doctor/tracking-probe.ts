// Whether connections over loopback are tracked here: nothing is, until a firewall rule asks for connection state.
import { parseIp } from "../base/address.js";
import { isConntrackHidden, readConntrack } from "../sys/net-stats.js";
import { SocketAddress } from "../sys/sockaddr.js";
import { bindTo, closeFd, connectTo, listenOn, localAddress, openTcp } from "../sys/socket.js";

/**
 * Opens one connection to itself, where nothing is tracked yet, and looks whether it is.
 *
 * @returns undefined when that could not be tried
 */
export function findTracking(): boolean | undefined {
  const before = readConntrack();
  if (before === undefined) return isConntrackHidden() ? undefined : false;
  if (before.count > 0) return true;
  const loopback = parseIp("127.0.0.1");
  const listener = openTcp(4);
  const client = openTcp(4);
  try {
    if (bindTo(listener, new SocketAddress(loopback, 0)) < 0 || listenOn(listener, 1) < 0) return undefined;
    // Not ready at once, but its first packet has been sent.
    connectTo(client, new SocketAddress(loopback, localAddress(listener).port));
    return (readConntrack()?.count ?? 0) > 0;
  } finally {
    for (const fd of [client, listener]) if (fd >= 0) closeFd(fd);
  }
}
