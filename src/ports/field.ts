// Which of an address's 65,536 ports are in use as local ports, and in which role: what the port map draws. Several
// addresses at a time, in one pass over the kernel's table.
import { formatIp, type IpAddress } from "../base/address.js";
import { TCP_LISTEN, TCP_TIME_WAIT } from "../sys/constants.js";
import { AddressIndex } from "./addresses.js";
import { Counts, topIds } from "./intern.js";
import { ListenerSet } from "./listeners.js";
import { isWildcard } from "./query.js";
import { readTable, type SocketQuery, type SourceName } from "./table.js";
import type { SocketView } from "./view.js";

/** Ports an address has. */
export const PORT_COUNT = 65_536;

const DEFAULT_LIMIT = 64;
/** Each takes 320 KiB while reading. */
const MAX_FIELDS = 128;

/** Bits of `PortField.roles`: a port can have several roles at once. */
export const PORT_ROLE = {
  /** A LISTEN socket is on it, at this address or at all of them (0.0.0.0, ::). */
  listening: 1,
  /** It is the local end of connections that a listening socket accepted. */
  accepted: 2,
  /** It is the local end of connections opened from here, in any state but TIME_WAIT. */
  connected: 4,
  /** It is in TIME_WAIT, whichever side opened it. */
  timeWait: 8,
} as const;

/** One address's ports. */
export interface PortField {
  /** As text; an IPv4-mapped one as its IPv4 address. */
  readonly ip: string;
  /** PORT_ROLE bits by port number: 65,536 long, 0 where the port is not in use. */
  readonly roles: Uint8Array;
  /** Sockets by local port number, in every role. */
  readonly sockets: Uint32Array;
  /** Ports with a role at all. */
  readonly usedPorts: number;
  readonly listeningPorts: number;
  readonly acceptedPorts: number;
  readonly connectedPorts: number;
  readonly timeWaitPorts: number;
  /** Sockets at this address; listeners of all addresses are not counted here. */
  readonly socketCount: number;
}

export interface PortFieldQuery extends SocketQuery {
  /** Only these addresses, in this order, even when nothing is on them; else those found, most sockets first. */
  readonly addresses?: readonly IpAddress[] | undefined;
  /** How many addresses to give at most; default 64. */
  readonly limit?: number | undefined;
}

export interface PortFields {
  readonly source: SourceName;
  readonly wasInterrupted: boolean;
  /** Most sockets first, or in the order asked for. */
  readonly fields: readonly PortField[];
  /** Further addresses with sockets that are not among `fields`. */
  readonly omittedAddresses: number;
}

/**
 * Reads, in one pass, which local ports are in use at each address.
 *
 * @param query which sockets to look at; all of this network namespace when empty
 * @throws {AppError} E_SYSTEM when neither netlink nor /proc/net/tcp can be read
 */
export async function portFields(query: PortFieldQuery = {}): Promise<PortFields> {
  const index = new AddressIndex();
  const listening = await ListenerSet.read(index, query.source);
  const asked = query.addresses?.map(formatIp);
  let pass = new Pass(index, listening, asked);
  const read = await readTable({ ...query, wildcardListeners: true }, () => {
    pass = new Pass(index, listening, asked);
    return (socket) => pass.add(socket);
  });
  const fields = pass.fields(asked, query.limit ?? DEFAULT_LIMIT);
  const shown = fields.reduce((sum, { socketCount }) => sum + (socketCount > 0 ? 1 : 0), 0);
  return {
    source: read.source,
    wasInterrupted: read.wasInterrupted,
    fields,
    omittedAddresses: Math.max(0, pass.used - shown),
  };
}

/** Marks ports by the number of their address; a field of bytes is made for an address when its first socket comes. */
class Pass {
  /** By number of address; null for one that gets no field. */
  private readonly roles: (Uint8Array | null | undefined)[] = [];
  private readonly sockets: (Uint32Array | undefined)[] = [];
  private readonly counts = new Counts();
  private readonly onAll = { 4: new Uint8Array(PORT_COUNT), 6: new Uint8Array(PORT_COUNT) };
  private readonly index: AddressIndex;
  private readonly listening: ListenerSet;
  private readonly asked: ReadonlySet<string> | undefined;
  /** Addresses with sockets; wildcards are none. */
  used = 0;

  constructor(index: AddressIndex, listening: ListenerSet, asked: readonly string[] | undefined) {
    this.index = index;
    this.listening = listening;
    this.asked = asked && new Set(asked);
  }

  add(socket: SocketView): void {
    const { state, localPort } = socket;
    if (state === TCP_LISTEN && isWildcard(socket)) {
      this.onAll[socket.family][localPort] = PORT_ROLE.listening;
      // A socket on :: takes IPv4 as well, unless it says otherwise.
      if (socket.family === 6 && !socket.isV6Only) this.onAll[4][localPort] = PORT_ROLE.listening;
      return;
    }
    const id = this.index.local(socket);
    let roles = this.roles[id];
    if (roles === null) return;
    if (!roles) {
      this.used++;
      const isWanted = this.asked ? this.asked.has(this.index.text(id)) : this.used <= MAX_FIELDS;
      this.roles[id] = isWanted ? new Uint8Array(PORT_COUNT) : null;
      if (!isWanted) return;
      roles = this.roles[id]!;
      this.sockets[id] = new Uint32Array(PORT_COUNT);
    }
    this.counts.add(id);
    this.sockets[id]![localPort]!++;
    roles[localPort] = roles[localPort]! | this.roleOf(socket, state, id);
  }

  fields(ips: readonly string[] | undefined, limit: number): PortField[] {
    const numbers = topIds(this.roles.length, ips ? this.roles.length : limit, (id) => this.counts.get(id));
    if (!ips) return numbers.map((id) => this.field(this.index.text(id), id));
    const byText = new Map(numbers.map((id) => [this.index.text(id), id]));
    return ips.slice(0, limit).map((ip) => this.field(ip, byText.get(ip)));
  }

  private roleOf(socket: SocketView, state: number, id: number): number {
    if (state === TCP_LISTEN) return PORT_ROLE.listening;
    if (state === TCP_TIME_WAIT) return PORT_ROLE.timeWait;
    return this.listening.hasAccepted(socket, id) ? PORT_ROLE.accepted : PORT_ROLE.connected;
  }

  private field(ip: string, id: number | undefined): PortField {
    const roles = (id === undefined ? undefined : this.roles[id]) ?? new Uint8Array(PORT_COUNT);
    const onAll = this.onAll[ip.includes(":") ? 6 : 4];
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
      sockets: (id === undefined ? undefined : this.sockets[id]) ?? new Uint32Array(PORT_COUNT),
      usedPorts,
      listeningPorts: withRole[0]!,
      acceptedPorts: withRole[1]!,
      connectedPorts: withRole[2]!,
      timeWaitPorts: withRole[3]!,
      socketCount: id === undefined ? 0 : this.counts.get(id),
    };
  }
}
