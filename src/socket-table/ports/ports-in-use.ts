// Determines which of an address's 65,536 ports are in use as local ports, and in which roles, for the port map. A
// first pass over the kernel's table finds the addresses with the most sockets, and a second pass records their ports.

import { TCP_LISTEN, TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import type { SourceName } from "../../results/sockets/owners.js";
import type { IpAddress } from "../../util/address.js";
import { AddressIndex } from "../addresses.js";
import { Counts, topIds } from "../aggregate/dense-index.js";
import { ListenerSet } from "../listeners/listeners.js";
import { isWildcard } from "../socket-test.js";
import { readTable, type SocketQuery } from "../table.js";
import type { SocketView } from "../view.js";

/** Number of ports of an address. */
export const PORT_COUNT = 65_536;

/** Default number of fields. Each takes 320 KiB. */
const DEFAULT_LIMIT = 64;
const ON_ALL = { 4: "0.0.0.0", 6: "::" } as const;

/** Bits of `PortField.roles`. A port can have several roles at once. */
export const PORT_ROLE = {
  /** Used by a LISTEN socket, at this address or at all addresses (0.0.0.0, ::). */
  listening: 1,
  /** The local end of connections accepted by a listening socket. */
  accepted: 2,
  /** The local end of connections opened from here, in any state except TIME_WAIT. */
  connected: 4,
  /** The local end of a connection in TIME_WAIT, whichever side opened it. */
  timeWait: 8,
} as const;

/** Ports of an address. */
export interface PortField {
  /** Address as text; IPv4-mapped addresses as IPv4. `0.0.0.0` or `::` for listeners that no other field shows. */
  readonly ip: string;
  /** PORT_ROLE bits by port number: 65,536 elements, 0 if a port is not in use. */
  readonly roles: Uint8Array;
  /** Number of sockets by local port, over all roles. */
  readonly sockets: Uint32Array;
  /** Number of ports with any role. */
  readonly usedPorts: number;
  readonly listeningPorts: number;
  readonly acceptedPorts: number;
  readonly connectedPorts: number;
  readonly timeWaitPorts: number;
  /** Number of sockets at this address, excluding listeners on all addresses. */
  readonly socketCount: number;
}

export interface PortFieldQuery extends SocketQuery {
  /**
   * Restricts the result to these addresses, in this order, even if unused. Default: the addresses found, those with
   * the most sockets first.
   */
  readonly addresses?: readonly IpAddress[] | undefined;
  /** Maximum number of addresses; default 64. */
  readonly limit?: number | undefined;
}

export interface PortFields {
  readonly source: SourceName;
  readonly wasInterrupted: boolean;
  /** Fields with the most sockets first, or in the requested order. */
  readonly fields: readonly PortField[];
  /** Number of further addresses with sockets, not included in `fields`. */
  readonly omittedAddresses: number;
}

/**
 * Reads which local ports are in use at each address.
 *
 * @param query selects sockets; default: all in this network namespace
 * @throws {AppError} E_PERMISSION or E_SYSTEM when neither netlink nor /proc/net/tcp can be read
 */
export async function portFields(query: PortFieldQuery = {}): Promise<PortFields> {
  const index = new AddressIndex();
  const listening = await ListenerSet.read(index, query.source);
  const sockets = { ...query, wildcardListeners: true, tuplesOnly: true };
  const counts = await countByAddress(index, sockets);
  const limit = query.limit ?? DEFAULT_LIMIT;
  const ids =
    query.addresses?.slice(0, limit).map((address) => index.of(address)) ??
    topIds(
      index.size,
      limit,
      (id) => counts.get(id),
      (a, b) => index.compare(a, b),
    );
  let pass = new Pass(index, listening, ids);
  const read = await readTable(sockets, () => {
    pass = new Pass(index, listening, ids);
    return (socket) => pass.add(socket);
  });
  const fields = ids.map((id) => pass.field(id));
  if (!query.addresses) fields.push(...pass.wildcardFields(fields));
  let used = 0;
  for (let id = 0; id < index.size; id++) if (counts.get(id) > 0) used++;
  const shown = ids.reduce((sum, id) => sum + (counts.get(id) > 0 ? 1 : 0), 0);
  return { source: read.source, wasInterrupted: read.wasInterrupted, fields, omittedAddresses: used - shown };
}

/** Counts sockets by local address, excluding listeners on all addresses. */
async function countByAddress(index: AddressIndex, query: SocketQuery): Promise<Counts> {
  let counts = new Counts();
  await readTable(query, () => {
    counts = new Counts();
    return (socket) => isWildcardListener(socket) || counts.add(index.local(socket));
  });
  return counts;
}

function isWildcardListener(socket: SocketView): boolean {
  return socket.state === TCP_LISTEN && isWildcard(socket);
}

/** Ports of an address while they are being recorded. */
interface Cells {
  readonly roles: Uint8Array;
  readonly sockets: Uint32Array;
  socketCount: number;
}

const emptyCells = (): Cells => ({
  roles: new Uint8Array(PORT_COUNT),
  sockets: new Uint32Array(PORT_COUNT),
  socketCount: 0,
});

/** Records the ports of the addresses that get a field. */
class Pass {
  private readonly cells: (Cells | undefined)[] = [];
  /** LISTEN sockets on 0.0.0.0 and ::. */
  private readonly wildcards = { 4: emptyCells(), 6: emptyCells() };
  /** Ports on which all addresses listen for IPv4. This includes listeners on :: unless they are IPV6_V6ONLY. */
  private readonly ipv4OnAll = new Uint8Array(PORT_COUNT);
  private readonly index: AddressIndex;
  private readonly listening: ListenerSet;

  constructor(index: AddressIndex, listening: ListenerSet, ids: readonly number[]) {
    this.index = index;
    this.listening = listening;
    for (const id of ids) this.cells[id] = emptyCells();
  }

  add(socket: SocketView): void {
    const { state, localPort } = socket;
    if (isWildcardListener(socket)) {
      mark(this.wildcards[socket.family], localPort, PORT_ROLE.listening);
      if (socket.family === 4 || !socket.isV6Only) this.ipv4OnAll[localPort] = PORT_ROLE.listening;
      return;
    }
    const id = this.index.local(socket);
    const cells = this.cells[id];
    if (cells) mark(cells, localPort, this.roleOf(socket, state, id));
  }

  field(id: number): PortField {
    const ip = this.index.text(id);
    return toField(ip, this.cells[id]!, familyOf(ip) === 6 ? this.wildcards[6].roles : this.ipv4OnAll);
  }

  /**
   * Returns fields for listeners on all addresses that are not shown in `fields`, because no address of their family
   * has a field.
   */
  wildcardFields(fields: readonly PortField[]): PortField[] {
    const has = (family: 4 | 6) => fields.some(({ ip }) => familyOf(ip) === family);
    const lacking = ([4, 6] as const).filter((family) => !has(family) && this.wildcards[family].socketCount > 0);
    return lacking
      .filter((family) => family === 4 || !has(4) || this.hasIpv6Only())
      .map((family) => toField(ON_ALL[family], this.wildcards[family], this.wildcards[family].roles));
  }

  private hasIpv6Only(): boolean {
    return this.wildcards[6].roles.some((role, port) => role !== 0 && this.ipv4OnAll[port] === 0);
  }

  private roleOf(socket: SocketView, state: number, id: number): number {
    if (state === TCP_LISTEN) return PORT_ROLE.listening;
    if (state === TCP_TIME_WAIT) return PORT_ROLE.timeWait;
    return this.listening.hasAccepted(socket, id) ? PORT_ROLE.accepted : PORT_ROLE.connected;
  }
}

function mark(cells: Cells, port: number, role: number): void {
  cells.roles[port]! |= role;
  cells.sockets[port]!++;
  cells.socketCount++;
}

function familyOf(ip: string): 4 | 6 {
  return ip.includes(":") ? 6 : 4;
}

/** @param onAll ports with listeners on all addresses of the family */
function toField(ip: string, { roles, sockets, socketCount }: Cells, onAll: Uint8Array): PortField {
  let usedPorts = 0;
  const withRole = new Int32Array(4);
  for (let port = 0; port < PORT_COUNT; port++) {
    const role = roles[port]! | onAll[port]!;
    if (role === 0) continue;
    roles[port] = role;
    usedPorts++;
    for (let bit = 0; bit < 4; bit++) withRole[bit]! += (role >>> bit) & 1;
  }
  return {
    ip,
    roles,
    sockets,
    usedPorts,
    listeningPorts: withRole[0]!,
    acceptedPorts: withRole[1]!,
    connectedPorts: withRole[2]!,
    timeWaitPorts: withRole[3]!,
    socketCount,
  };
}
