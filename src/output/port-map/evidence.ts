// Converts port ranges in a lab's result to a picture of ports: servers first, then by number of sockets.

import type { PortsEvidence } from "../../results/lab/evidence.js";
import { formatCount, plural } from "../../util/units.js";
import { countPorts, type KnownPort, type MapField, PORTS, type PortMap } from "./cells.js";

/** Maximum number of server ports to name. */
const MAX_KNOWN = 8;

type Field = PortsEvidence["fields"][number];

export function portMapOfEvidence({ title, fields }: PortsEvidence): PortMap {
  const all = fields.map(toField);
  const servers = all.filter(({ role }) => role === "server").sort(bySockets);
  const clients = all.filter(({ role }) => role === "client").sort(bySockets);
  const sockets = servers.reduce((sum, field) => sum + field.sockets, 0);
  const ports = servers.reduce((sum, field) => sum + countPorts(field.ports), 0);
  const share =
    sockets > 1 ? `${formatCount(sockets)} sockets on ${plural(ports, "port")} at the server; each` : "Each";
  return { title, caption: `${share} lit pixel is a port in use.`, fields: [...servers, ...clients] };
}

function toField({ host, ip, sockets, used }: Field): MapField {
  const ports = new Uint8Array(PORTS);
  for (const [first, last] of used) ports.fill(1, first, last + 1);
  if (!host.startsWith("server")) return { ip, role: "client", ports, sockets };
  return { ip, role: "server", ports, sockets, known: knownPorts(used, sockets) };
}

function knownPorts(used: Field["used"], sockets: number): KnownPort[] {
  const ports = used.flatMap(([first, last]) =>
    Array.from({ length: Math.min(last - first, MAX_KNOWN) + 1 }, (_, index) => first + index),
  );
  if (ports.length > MAX_KNOWN) return [];
  // How the sockets are distributed among several ports is unknown.
  return ports.map((port) => ({ port, name: "listening", sockets: ports.length === 1 ? sockets : 0 }));
}

function bySockets(a: MapField, b: MapField): number {
  return b.sockets - a.sockets;
}
