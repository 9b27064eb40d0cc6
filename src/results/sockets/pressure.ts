// The usage of source ports per destination, shared by the terminal, `ports --pressure --json` and the library's
// callers.
import { z } from "../../util/zod.js";
import { count, port, share, type TypeOf, version } from "../fields.js";
import { reading } from "./socket-table.js";

const portRange = z.object({ first: port, last: port });

/** Fields common to all port pools. */
const pool = {
  capacity: count.describe("number of ports in the pool"),
  left: count,
  share: share.describe("inUse / capacity"),
  isMarked: z.boolean().describe("whether share is 0.8 or more"),
};

const owner = z.object({
  pid: count.optional().describe("missing if none is visible, or if the kernel owns the sockets (TIME_WAIT)"),
  command: z.string().optional().describe("name of the process (/proc/PID/comm)"),
  inUse: count,
});
/** A process's share of the ports in a row. */
export type PressureOwner = TypeOf<typeof owner>;

export const pressureRow = z.object({
  sourceIp: z.string(),
  destinationIp: z.string(),
  destinationPort: port,
  inUse: count.describe("source ports in use, including TIME_WAIT"),
  timeWait: count.describe("number of source ports in use that are in TIME_WAIT"),
  outsideRange: count.describe(
    "number of source ports in use outside ip_local_port_range, which were bound explicitly",
  ),
  pool: z
    .enum(["ip_local_port_range", "1024-65535"])
    .describe("ports chosen by the kernel, or explicit binds if some are outside ip_local_port_range"),
  ...pool,
  owners: z.array(owner).optional().describe("owners of the sockets, most sockets first; if requested"),
});
/** A source address and a destination. Each connection between them needs a different source port. */
export type PressureRow = TypeOf<typeof pressureRow>;
/**
 * The pool of source ports: those that the kernel chooses from, or all that can be bound explicitly (1024-65535) if
 * some in use are outside ip_local_port_range.
 */
export type PortPool = PressureRow["pool"];

const boundPool = z
  .object({
    sourceIp: z.string(),
    inUse: count.describe(
      "ports of ip_local_port_range used by sockets of this address, however obtained; bind() skips all of them",
    ),
    bound: count.describe(
      "of these, the number presumably bound before connect(); docs/ports.md explains how they are identified",
    ),
    destinations: count,
    ...pool,
  })
  .describe("ports bound before connect(): all destinations of the source address share a single pool");
/**
 * Ports bound before connect(), by bind(address, 0) without IP_BIND_ADDRESS_NO_PORT. Such a port cannot be used for
 * another destination, so all destinations of the source address share a single pool.
 */
export type BoundPoolRow = TypeOf<typeof boundPool>;

const translatedRow = z.object({
  sourceIp: z.string().describe("address seen by the destination"),
  destinationIp: z.string(),
  destinationPort: port,
  inUse: count.describe("tracked connections from this address to the destination, including those of this host"),
  timeWait: count,
  ports: portRange.describe("port range that NAT chooses from"),
  rule: z
    .string()
    .optional()
    .describe("rule that sets the range; missing if there is none, in which case the kernel chooses from 1024-65535"),
  ...pool,
});
/** Source ports allocated by NAT on this host, read from conntrack. */
export type TranslatedRow = TypeOf<typeof translatedRow>;

const translatedPorts = z.object({
  refusedErrno: z.string().optional().describe("name of the errno if conntrack could not be read"),
  distinct: count.describe("number of (source, destination) pairs with translated connections"),
  marked: count,
  connections: count.describe("number of tracked TCP connections of these pairs"),
  rows: z.array(translatedRow).describe("highest share first"),
});
/** Port usage by NAT, according to conntrack. */
export type TranslatedPorts = TypeOf<typeof translatedPorts>;

export const pressureSchema = z
  .object({
    kind: z.literal("pressure"),
    version,
    ...reading,
    portRange: portRange.describe("net.ipv4.ip_local_port_range (also used by IPv6)"),
    reservedPorts: count.describe(
      "ports in the range that net.ipv4.ip_local_reserved_ports excludes from the kernel's choice",
    ),
    listeningPorts: count.describe(
      "ports in the range, not reserved, that LISTEN sockets use, and which the kernel therefore skips",
    ),
    kernelCapacity: count.describe("ports that the kernel can choose from: range - reserved - listening"),
    outgoing: count.describe(
      "sockets opened by this host; accepted sockets use no source port. Also excluded are sockets whose local endpoint has several peers, each with one connection from a higher port: they were most likely accepted by a listener that no longer exists",
    ),
    distinct: count.describe("number of distinct (source IP, destination IP, destination port) triples"),
    marked: count.describe("number of marked triples, including those not shown"),
    rows: z.array(pressureRow).describe("highest share first"),
    bound: z
      .array(boundPool)
      .optional()
      .describe("source addresses with ports bound before connect(), highest share first; if requested"),
    translated: translatedPorts.optional().describe("missing if not requested, or if conntrack tracks nothing here"),
    unreadable: count.optional().describe("number of processes that cannot be inspected; with owners"),
    isHiding: z.boolean().optional().describe("whether other users' processes are hidden (hidepid); with owners"),
  })
  .meta({ title: "Pressure", description: "Output of `fourtuple ports --pressure --json`" });
export interface Pressure extends TypeOf<typeof pressureSchema> {}
