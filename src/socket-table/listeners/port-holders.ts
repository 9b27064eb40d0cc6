// Finds sockets that prevent listening on a port: listeners, sockets bound without listening, connections, and
// TIME_WAIT sockets. bind() fails if addresses overlap (inet_csk_bind_conflict in net/ipv4/inet_connection_sock.c).

import { TCP_LISTEN, TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import type { Owner } from "../../results/sockets/owners.js";
import { formatIp, type IpAddress } from "../../util/address.js";
import type { PortRange } from "../../util/endpoint.js";
import { ALL_STATES, type SocketQuery } from "../query.js";
import { isWildcard } from "../socket-test.js";
import { readTable } from "../table.js";
import type { SocketView } from "../view.js";
import { type OwnerIndex, readOwners } from "./owners.js";

/**
 * State with which to request bound sockets that are neither connected nor listening. Supported since Linux 6.8,
 * which reports such sockets as CLOSE.
 */
const BOUND_INACTIVE = 13;
const TCP_CLOSE = 7;
const KINDS = ["listening", "bound", "connected", "time-wait"] as const;

export interface PortHolder {
  readonly kind: (typeof KINDS)[number];
  readonly ip: string;
  readonly port: number;
  /** Inode; 0 for a TIME_WAIT socket. */
  readonly inode: number;
  /** Remote end; undefined if the socket has none. */
  readonly peer: { readonly ip: string; readonly port: number } | undefined;
  /** Owner; undefined if none was found, and for TIME_WAIT, which the kernel owns. */
  readonly owner: Owner | undefined;
  /** Whether the search for the owner was cut short, so that it may have a visible one. */
  readonly wasCutShort: boolean;
  readonly uid: number;
  /** Time until a TIME_WAIT socket expires, in milliseconds; 0 for other sockets. */
  readonly leftMs: number;
}

/**
 * Returns the sockets whose local end overlaps with an address and port, those that most prevent listening first.
 *
 * @param ip address to listen on; `::` includes IPv4
 * @param signal ends the search for owners, which takes long on a host with many open files; they are then undefined
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function findPortHolders(ip: IpAddress, port: number, signal?: AbortSignal): Promise<PortHolder[]> {
  const range = { first: port, last: port };
  const states = ALL_STATES | (1 << BOUND_INACTIVE);
  const ownersOf = () => readOwners(signal).catch(() => (signal?.aborted ? ("cut-short" as const) : undefined));
  return readHolders({ states, local: { ports: [range] } }, (socket) => overlaps(socket, ip), ownersOf);
}

/**
 * Returns sockets that listen on one of these ports at any address, or are bound to it and may listen later.
 * Excludes their connections.
 *
 * @param known inodes of sockets to exclude; owners are only looked up if other sockets are found
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function findListening(
  ports: readonly PortRange[],
  known: ReadonlySet<number>,
  signal?: AbortSignal,
): Promise<PortHolder[]> {
  const states = (1 << TCP_LISTEN) | (1 << BOUND_INACTIVE);
  const isOne = ({ state, remotePort, inode }: SocketView) =>
    !known.has(inode) && (state === TCP_LISTEN || remotePort === 0);
  return readHolders({ states, local: { ports } }, isOne, () => readOwners(signal));
}

async function readHolders(
  query: SocketQuery,
  isOne: (socket: SocketView) => boolean,
  ownersOf: () => Promise<OwnerIndex | "cut-short" | undefined>,
): Promise<PortHolder[]> {
  let found: Omit<PortHolder, "owner" | "wasCutShort">[] = [];
  await readTable(query, () => {
    found = [];
    return (socket) => {
      if (isOne(socket)) found.push(toHolder(socket));
    };
  });
  found.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || b.leftMs - a.leftMs);
  const owners = found.some(({ inode }) => inode !== 0) ? await ownersOf() : undefined;
  return found.map((holder) => ({
    ...holder,
    owner: holder.inode === 0 || owners === "cut-short" ? undefined : owners?.ownerOf(holder.inode),
    wasCutShort: holder.inode !== 0 && owners === "cut-short",
  }));
}

function toHolder(socket: SocketView): Omit<PortHolder, "owner" | "wasCutShort"> {
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
  // Listening on :: includes IPv4.
  if (isAny) return ip.family === 6 || isIpv4;
  return socket.localIp === formatIp(ip);
}
