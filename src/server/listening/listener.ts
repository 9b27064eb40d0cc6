// Opens the listening socket with socket(), bind() and listen(). Errors explain how to fix the problem.

import { resolveHost } from "../../linux/resolve.js";
import { SocketAddress } from "../../linux/syscalls/sockaddr.js";
import {
  allowAddressReuse,
  backlogInForce,
  bindTo,
  closeFd,
  listenOn,
  localAddress,
  openTcp,
} from "../../linux/syscalls/socket.js";
import type { PacketServerPlan } from "../../transport/contract.js";
import type { HostPorts } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { listenError } from "./listen-error.js";

export interface Listener {
  readonly fd: number;
  readonly ip: string;
  /** Last address of a range; undefined for a single address. */
  readonly lastIp?: string | undefined;
  readonly port: number;
  /** Actual accept queue length: the requested value clamped to net.core.somaxconn. */
  readonly backlog: number;
  /** The device and addresses of each worker; undefined for a kernel socket. */
  readonly packets?: readonly PacketServerPlan[];
}

/**
 * Binds to an address and listens on it.
 *
 * @throws {AppError} E_ADDRESS, E_RESOLVE, E_PORT_IN_USE, E_PERMISSION or E_LISTEN; no descriptor is left open
 */
export async function openListener({ host, ports }: HostPorts, backlog: number): Promise<Listener> {
  if (ports.first !== ports.last) {
    throw new AppError(
      "E_ADDRESS",
      `${quoted(`${host}:${ports.first}-${ports.last}`)} names several ports, but a server listens on one`,
      {
        fix: `listen on ${host}:${ports.first}`,
      },
    );
  }
  const ip = await resolveHost(host);
  const fd = openTcp(ip.family);
  if (fd < 0) throw await listenError(ip, ports.first, -fd);
  for (const result of steps(fd, new SocketAddress(ip, ports.first), backlog)) {
    if (result >= 0) continue;
    closeFd(fd);
    throw await listenError(ip, ports.first, -result);
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
