// Who keeps a port from being listened on: sockets that listen there, are bound without listening, are connected from it, or wait in
// TIME_WAIT. bind() refuses where addresses overlap (inet_csk_bind_conflict in net/ipv4/inet_connection_sock.c).

import { TCP_LISTEN, TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import type { Owner } from "../../results/sockets/owners.js";
import { formatIp, type IpAddress } from "../../util/address.js";
import type { PortRange } from "../../util/endpoint.js";
import { ALL_STATES, type SocketQuery } from "../query.js";
import { isWildcard } from "../socket-test.js";
import { readTable } from "../table.js";
import type { SocketView } from "../view.js";
import { readOwners } from "./owners.js";

/** Sockets that have bound a port and are neither connected nor listening; told since Linux 6.8, as CLOSE. */
const BOUND_INACTIVE = 13;
const TCP_CLOSE = 7;
const KINDS = ["listening", "bound", "connected", "time-wait"] as const;

export interface PortHolder {
  readonly kind: (typeof KINDS)[number];
  readonly ip: string;
  readonly port: number;
  /** 0 for a TIME_WAIT. */
  readonly inode: number;
  /** The other end; undefined for a socket that has none. */
  readonly peer: { readonly ip: string; readonly port: number } | undefined;
  /** undefined when no process that can be seen has it, and for TIME_WAIT, which is the kernel's. */
  readonly owner: Owner | undefined;
  readonly uid: number;
  /** Until a TIME_WAIT ends, in milliseconds; 0 for others. */
  readonly leftMs: number;
}

/**
 * The sockets whose local end overlaps with an address and port, those first that are most in the way.
 *
 * @param ip where one would listen; `::` takes IPv4, too
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function findPortHolders(ip: IpAddress, port: number): Promise<PortHolder[]> {
  const range = { first: port, last: port };
  const states = ALL_STATES | (1 << BOUND_INACTIVE);
  return readHolders({ states, local: { ports: [range] } }, (socket) => overlaps(socket, ip));
}

/**
 * The sockets that listen on one of these ports, or have bound it to listen later, at any address; without their connections.
 *
 * @param known inodes of sockets to leave out: owners are looked for where others are found only
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function findListening(ports: readonly PortRange[], known: ReadonlySet<number>): Promise<PortHolder[]> {
  const states = (1 << TCP_LISTEN) | (1 << BOUND_INACTIVE);
  return readHolders({ states, local: { ports } }, ({ state, remotePort, inode }) => {
    return !known.has(inode) && (state === TCP_LISTEN || remotePort === 0);
  });
}

async function readHolders(query: SocketQuery, isOne: (socket: SocketView) => boolean): Promise<PortHolder[]> {
  let found: Omit<PortHolder, "owner">[] = [];
  await readTable(query, () => {
    found = [];
    return (socket) => {
      if (isOne(socket)) found.push(toHolder(socket));
    };
  });
  found.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || b.leftMs - a.leftMs);
  const owners = found.some(({ inode }) => inode !== 0) ? await readOwners() : undefined;
  return found.map((holder) => ({
    ...holder,
    owner: holder.inode === 0 ? undefined : owners?.ownerOf(holder.inode),
  }));
}

function toHolder(socket: SocketView): Omit<PortHolder, "owner"> {
  const { state, localIp, localPort, remoteIp, remotePort, uid, inode, timerMs } = socket;
  const kind =
    state === TCP_LISTEN
      ? "listening"
      : state === TCP_CLOSE
        ? "bound"
        : state === TCP_TIME_WAIT
          ? "time-wait"
          : "connected";
  return {
    kind,
    ip: localIp,
    port: localPort,
    peer: remotePort === 0 ? undefined : { ip: remoteIp, port: remotePort },
    uid,
    leftMs: kind === "time-wait" ? timerMs : 0,
    inode,
  };
}

function overlaps(socket: SocketView, ip: IpAddress): boolean {
  const isAny = ip.bytes.every((byte) => byte === 0);
  const isIpv4 = socket.family === 4 || socket.localIpv4 >= 0;
  if (isWildcard(socket)) return socket.family === ip.family || ip.family === 6 || !socket.isV6Only;
  // Ours on :: takes IPv4, too.
  if (isAny) return ip.family === 6 || isIpv4;
  return socket.localIp === formatIp(ip);
}
