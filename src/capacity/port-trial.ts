// Whether a source port that some socket has already can be another connection's: the socket table does not tell how a port
// was bound, so the kernel is asked. Nothing leaves this host, and no connection is made.

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
   * Whether connect() may choose this port of ip_local_port_range for a 4-tuple that is free. A port that anybody has bound by
   * its number, and one that is listened on, is chosen for no other connection, whatever the address.
   *
   * @returns undefined when it cannot be tried: kernels before 6.3 have no IP_LOCAL_PORT_RANGE
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
      // No port was left to be bound.
      if (this.closed.port === 0) return undefined;
      if (allowOnlyPort(fd, port) < 0 || delayPortChoice(fd) < 0) return undefined;
      if (bindTo(fd, new SocketAddress(LOOPBACK, 0)) < 0) return undefined;
      return connectTo(fd, this.closed.address) !== -EADDRNOTAVAIL;
    } finally {
      closeFd(fd);
    }
  }

  /** Whether the port can be bound by its number beside the sockets that have it; undefined when it cannot be tried. */
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

/** A socket that is bound and does not listen: a SYN to it is refused. */
function bindSomewhere(): { readonly fd: number; readonly port: number; readonly address: SocketAddress } {
  const fd = openTcp(4);
  if (fd < 0) throw noSocket(fd);
  bindTo(fd, new SocketAddress(LOOPBACK, 0));
  const { port } = localAddress(fd);
  return { fd, port, address: new SocketAddress(LOOPBACK, port) };
}

function noSocket(error: number): AppError {
  return new AppError("E_SYSTEM", `no socket to try ports with: ${errnoName(-error)}`, {
    fix: "raise the limit of open files: ulimit -n 1024",
    facts: { errno: errnoName(-error) },
  });
}
