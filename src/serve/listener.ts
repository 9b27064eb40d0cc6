// The one listening socket: socket, options, bind, listen, with errors that say what to do.
import { formatEndpoint, formatIp, parseHostPorts } from "../base/address.js";
import { AppError } from "../base/errors.js";
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, errnoMeaning, errnoName } from "../sys/errno.js";
import { resolveHost } from "../sys/resolve.js";
import { SocketAddress } from "../sys/sockaddr.js";
import { allowAddressReuse, backlogInForce, bindTo, closeFd, listenOn, localAddress, openTcp } from "../sys/socket.js";

export interface Listener {
  readonly fd: number;
  readonly ip: string;
  readonly port: number;
  /** The accept queue's length in force: what was asked for, clamped by net.core.somaxconn. */
  readonly backlog: number;
}

/**
 * Binds and listens on one address.
 *
 * @throws {AppError} E_ADDRESS, E_RESOLVE, E_PORT_IN_USE, E_PERMISSION or E_LISTEN; nothing is left open
 */
export async function openListener(at: string, backlog: number): Promise<Listener> {
  const { host, ports } = parseHostPorts(at, { anyPort: true });
  if (ports.first !== ports.last) {
    throw new AppError("E_ADDRESS", `"${at}" names several ports, and a server has one`, {
      fix: `listen on ${host}:${ports.first}`,
    });
  }
  const ip = await resolveHost(host);
  const endpoint = formatEndpoint(formatIp(ip), ports.first);
  const fd = openTcp(ip.family);
  if (fd < 0) throw listenError(endpoint, ports.first, -fd);
  for (const result of steps(fd, new SocketAddress(ip, ports.first), backlog)) {
    if (result >= 0) continue;
    closeFd(fd);
    throw listenError(endpoint, ports.first, -result);
  }
  const inForce = backlogInForce(fd);
  try {
    return { fd, ...localAddress(fd), backlog: inForce > 0 ? inForce : backlog };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function* steps(fd: number, address: SocketAddress, backlog: number): Generator<number> {
  yield allowAddressReuse(fd);
  yield bindTo(fd, address);
  yield listenOn(fd, backlog);
}

function listenError(endpoint: string, port: number, errno: number): AppError {
  const facts = { endpoint, errno: errnoName(errno) };
  if (errno === EADDRINUSE) {
    return new AppError("E_PORT_IN_USE", `cannot listen on ${endpoint}: the port is in use`, {
      fix: `choose another port, or see who has it: ss -ltnp "sport = :${port}"`,
      facts,
    });
  }
  if (errno === EACCES) {
    return new AppError(
      "E_PERMISSION",
      `cannot listen on ${endpoint}: ports below ip_unprivileged_port_start need a privilege`,
      {
        fix: "choose a port from 1024 on, or run as root or with CAP_NET_BIND_SERVICE",
        facts,
      },
    );
  }
  const isForeign = errno === EADDRNOTAVAIL;
  return new AppError(
    "E_LISTEN",
    `cannot listen on ${endpoint}: ${isForeign ? "this host does not have that address" : errnoMeaning(errno)}`,
    {
      fix: isForeign
        ? "listen on an address of this host (ip -brief address), or on 0.0.0.0 for all of them"
        : `see errno ${errnoName(errno)} of listen(2)`,
      facts,
    },
  );
}
