// How near each destination is to running out of source ports: the same object for the terminal, `ports --pressure --json` and
// the library's caller.
import { z } from "../../util/zod.js";
import { count, port, share, type TypeOf, version } from "../fields.js";
import { reading } from "./socket-table.js";

const portRange = z.object({ first: port, last: port });

/** What every pool of ports has. */
const pool = {
  capacity: count.describe("ports that it has"),
  left: count,
  share: share.describe("taken / capacity"),
  isMarked: z.boolean().describe("share is 0.8 or more"),
};

const owner = z.object({
  pid: count.optional().describe("missing: none is visible, or the kernel has them (TIME_WAIT)"),
  command: z.string().optional().describe("the process's name (/proc/PID/comm)"),
  taken: count,
});
/** A process's part of a row's ports. */
export type PressureOwner = TypeOf<typeof owner>;

const row = z.object({
  sourceIp: z.string(),
  destinationIp: z.string(),
  destinationPort: port,
  taken: count.describe("source ports, TIME_WAIT included"),
  timeWait: count.describe("of these, in TIME_WAIT"),
  outsideRange: count.describe("of these, outside of ip_local_port_range: explicit binds"),
  pool: z
    .enum(["ip_local_port_range", "1024-65535"])
    .describe("the kernel's choice, or explicit binds once some lie outside of it"),
  ...pool,
  owners: z.array(owner).optional().describe("who has the sockets, most of them first; when asked for"),
});
/** One source address towards one destination: no two of its connections can have the same source port. */
export type PressureRow = TypeOf<typeof row>;
/** Where source ports come from: the kernel's choice, or explicit binds (1024-65535) once some lie outside of it. */
export type PortPool = PressureRow["pool"];

const boundPool = z
  .object({
    sourceIp: z.string(),
    taken: count.describe(
      "ports of ip_local_port_range that sockets of this address have, however they came by them: bind() passes over all",
    ),
    bound: count.describe("of these, taken to be bound before connect(): see docs/ports.md for how they are told"),
    destinations: count,
    ...pool,
  })
  .describe("ports that were bound before connect(): all destinations of the source address share one pool");
/**
 * Ports that were bound before connect(): bind(address, 0) without IP_BIND_ADDRESS_NO_PORT. Such a port serves no other
 * destination, so all destinations of the source address share one pool.
 */
export type BoundPoolRow = TypeOf<typeof boundPool>;

const translatedRow = z.object({
  sourceIp: z.string().describe("the address that the destination sees"),
  destinationIp: z.string(),
  destinationPort: port,
  taken: count.describe("tracked connections from this address to that destination, those of this host included"),
  timeWait: count,
  ports: portRange.describe("that NAT has to choose from"),
  rule: z.string().optional().describe("that says so; missing where none does: then the kernel chooses, 1024-65535"),
  ...pool,
});
/** Source ports that NAT gave out on this host, out of conntrack. */
export type TranslatedRow = TypeOf<typeof translatedRow>;

const translatedPorts = z.object({
  refusedErrno: z.string().optional().describe("why conntrack could not be read, as an errno's name"),
  distinct: count.describe("(source, destination) pairs with a connection whose source was translated"),
  marked: count,
  connections: count.describe("tracked TCP connections of these pairs"),
  rows: z.array(translatedRow).describe("highest share first"),
});
/** What conntrack says of NAT. */
export type TranslatedPorts = TypeOf<typeof translatedPorts>;

export const pressureSchema = z
  .object({
    kind: z.literal("pressure"),
    version,
    ...reading,
    portRange: portRange.describe("net.ipv4.ip_local_port_range (IPv6 uses it too)"),
    reservedPorts: count.describe("of the range, that net.ipv4.ip_local_reserved_ports keeps from the kernel's choice"),
    listeningPorts: count.describe("of the range, not reserved, that LISTEN sockets hold: the kernel passes them over"),
    kernelCapacity: count.describe("what the kernel has to choose from: range - reserved - listening"),
    outgoing: count.describe(
      "sockets opened from here: accepted ones take no source port; left out are those, too, whose local endpoint several peers share, each with one connection from a higher port: most likely they were accepted, and their listener is gone",
    ),
    distinct: count.describe("(source IP, destination IP, destination port) triples there are"),
    marked: count.describe("triples that are marked, shown or not"),
    rows: z.array(row).describe("highest share first"),
    bound: z
      .array(boundPool)
      .optional()
      .describe("source addresses whose ports were bound before connect(); highest share first; when asked for"),
    translated: translatedPorts
      .optional()
      .describe("missing where not asked for, or where conntrack follows nothing here"),
    unreadable: count.optional().describe("processes that may not be looked into; with owners"),
    isHiding: z.boolean().optional().describe("other users' processes are hidden (hidepid); with owners"),
  })
  .meta({ title: "Pressure", description: "What `fourtuple ports --pressure --json` prints" });
export interface Pressure extends TypeOf<typeof pressureSchema> {}
