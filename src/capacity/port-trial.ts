// Tests whether a source port that a socket already uses is available to another connection. The socket table does not
// show how a port was bound, so the test tries to use it. No packet leaves this host, and no connection is
// established.

import { EADDRINUSE, EADDRNOTAVAIL, errnoName } from "../linux/syscalls/errno.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import {
  allowAddressReuse,
  allowOnlyPort,
  bindTo,
  closeFd,
  connectTo,
  delayPortChoice,
  localAddress,
  openTcp,
} from "../linux/syscalls/socket.js";
import { type IpAddress, parseIp } from "../util/address.js";
import { AppError } from "../util/errors.js";

const LOOPBACK = parseIp("127.0.0.1");

export class PortTrial {
  private closed = bindSomewhere();

  /**
   * Tests whether connect() may choose this port of ip_local_port_range for a free 4-tuple. connect() never chooses a
   * port that a socket has bound by number or listens on, at any address.
   *
   * @returns undefined if the port cannot be tested, because kernels before 6.3 lack IP_LOCAL_PORT_RANGE
   */
  isChosen(port: number): boolean | undefined {
    if (port === this.closed.port) {
      const next = bindSomewhere();
      closeFd(this.closed.fd);
      this.closed = next;
    }
    const fd = openTcp(4);
    if (fd < 0) return undefined;
    try {
      // The kernel found no free port.
      if (this.closed.port === 0) return undefined;
      if (allowOnlyPort(fd, port) < 0 || delayPortChoice(fd) < 0) return undefined;
      if (bindTo(fd, new SocketAddress(LOOPBACK, 0)) < 0) return undefined;
      return connectTo(fd, this.closed.address) !== -EADDRNOTAVAIL;
    } finally {
      closeFd(fd);
    }
  }

  /**
   * Tests whether the port can be bound by number alongside the sockets that use it; undefined if that cannot be
   * tested.
   */
  isBindable(ip: IpAddress, port: number): boolean | undefined {
    const fd = openTcp(ip.family);
    if (fd < 0) return undefined;
    allowAddressReuse(fd);
    const bound = bindTo(fd, new SocketAddress(ip, port));
    closeFd(fd);
    return bound >= 0 ? true : bound === -EADDRINUSE ? false : undefined;
  }

  [Symbol.dispose](): void {
    closeFd(this.closed.fd);
  }
}

/** Returns a socket that is bound but not listening, so that a SYN to it is refused. */
function bindSomewhere(): { readonly fd: number; readonly port: number; readonly address: SocketAddress } {
  const fd = openTcp(4);
  if (fd < 0) throw noSocket(fd);
  bindTo(fd, new SocketAddress(LOOPBACK, 0));
  const { port } = localAddress(fd);
  return { fd, port, address: new SocketAddress(LOOPBACK, port) };
}

function noSocket(error: number): AppError {
  return new AppError("E_SYSTEM", `cannot open a socket to test ports: ${errnoName(-error)}`, {
    fix: "raise the open-file limit: ulimit -n 1024",
    facts: { errno: errnoName(-error) },
  });
}
