// Converts the kernel's socket table to a picture of ports. An address is drawn once for each of its roles, the server
// side first.

import { PORT_ROLE, type PortField, type PortFields } from "../../socket-table/ports/ports-in-use.js";
import type { PortRange } from "../../util/endpoint.js";
import { formatCount } from "../../util/units.js";
import { type KnownPort, type MapField, PORTS, type PortMap } from "./cells.js";

const SERVER = PORT_ROLE.listening | PORT_ROLE.accepted;

export interface PortMapFacts {
  /** Port that the picture is about; undefined for a whole host. */
  readonly port?: number | undefined;
  readonly ephemeral?: PortRange | undefined;
  /** LISTEN sockets, which use the server's port but are not connections. */
  readonly listeners: readonly { readonly ip: string; readonly port: number }[];
  /** Time of the reading. */
  readonly at: Date;
}

/** @param read only the sockets of `port`, if the picture is about one port */
export function portMapOf(read: PortFields, { port, ephemeral, listeners, at }: PortMapFacts): PortMap {
  const all = read.fields.map((field) => serverField(field, listeners)).filter((field) => field !== undefined);
  // A listener on all addresses appears at every address, so prefer addresses with connections.
  const busy = all.filter(({ sockets }) => sockets > 0);
  const idle = all.filter(({ ip }, index) => index === 0 || ip === "::");
  const servers = busy.length > 0 ? busy : idle;
  const clients = read.fields.map(clientField).filter((field) => field !== undefined);
  const shared = servers.reduce((sum, { sockets }) => sum + sockets, 0);
  const bySockets = (a: MapField, b: MapField) => b.sockets - a.sockets;
  return {
    ...words(port, shared, clients),
    fields: [...servers.sort(bySockets), ...clients],
    omittedAddresses: read.omittedAddresses,
    ephemeral,
    source: `${read.source}, ${at.toISOString().slice(0, 16).replace("T", " ")} UTC`,
  };
}

function words(port: number | undefined, shared: number, clients: readonly MapField[]) {
  const count = formatCount(shared);
  if (port !== undefined && shared > 1) {
    return {
      title: `${count} connections, one port`,
      caption: `${count} connections share one local port.`,
    };
  }
  if (port !== undefined && shared === 0 && clients.length > 0) {
    return {
      title: `Connections to port ${port}`,
      caption: "Each connection takes one port at its client.",
    };
  }
  return {
    title: port === undefined ? "The ports of this host" : `Port ${port}`,
    caption: "An address has 65,536 ports.",
  };
}

function serverField(field: PortField, listeners: PortMapFacts["listeners"]): MapField | undefined {
  const { ip, roles, sockets } = field;
  const own = listeners.filter((listener) => listener.ip === ip);
  const ports = new Uint8Array(PORTS);
  const known: KnownPort[] = [];
  for (let port = 0; port < PORTS; port++) {
    const role = roles[port]!;
    if ((role & SERVER) === 0) continue;
    ports[port] = 1;
    const isListening = (role & PORT_ROLE.listening) !== 0;
    const listening = own.filter((listener) => listener.port === port).length;
    known.push({ port, name: isListening ? "listening" : "accepted", sockets: sockets[port]! - listening });
  }
  if (known.length === 0) return undefined;
  return { ip, role: "server", ports, known, sockets: known.reduce((sum, entry) => sum + entry.sockets, 0) };
}

function clientField({ ip, roles, sockets }: PortField): MapField | undefined {
  const ports = new Uint8Array(PORTS);
  let count = 0;
  for (let port = 0; port < PORTS; port++) {
    const role = roles[port]!;
    // A server's port also has TIME_WAIT sockets, which use up no other port.
    if ((role & PORT_ROLE.connected) === 0 && (role === 0 || (role & SERVER) !== 0)) continue;
    ports[port] = 1;
    count += sockets[port]!;
  }
  return count === 0 ? undefined : { ip, role: "client", ports, sockets: count };
}
