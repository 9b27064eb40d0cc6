// How near each destination is to running out of source ports, as one plain object.
import type { PortRange } from "../../util/address.js";
import type { SourceName } from "../query.js";

/** From this share on a destination is marked. */
export const PRESSURE_MARK = 0.8;
/** 1024 to 65,535: what explicit binds have without a privilege. */
export const EXPLICIT_PORTS = 64_512;

/** Where source ports come from: the kernel's choice, or explicit binds (1024-65535) once some lie outside of it. */
export type PortPool = "ip_local_port_range" | "1024-65535";

/** One source address towards one destination: no two of its connections can have the same source port. */
export interface PressureRow {
  readonly sourceIp: string;
  readonly destinationIp: string;
  readonly destinationPort: number;
  /** Source ports taken, TIME_WAIT included. */
  readonly taken: number;
  /** Of these, in TIME_WAIT. */
  readonly timeWait: number;
  /** Of these, outside of ip_local_port_range: explicit binds. */
  readonly outsideRange: number;
  readonly pool: PortPool;
  /** Ports that the pool has. */
  readonly capacity: number;
  readonly left: number;
  /** taken / capacity, 0 to 1. */
  readonly share: number;
  /** share is PRESSURE_MARK or more. */
  readonly isMarked: boolean;
  /** Who has the sockets, most of them first; when asked for. */
  readonly owners?: readonly PressureOwner[] | undefined;
}

/** A process's part of a row's ports. */
export interface PressureOwner {
  /** undefined: none is visible, or the kernel has them (TIME_WAIT). */
  readonly pid: number | undefined;
  /** The process's name (/proc/PID/comm). */
  readonly command: string | undefined;
  readonly taken: number;
}

/**
 * Ports that were bound before connect(): bind(address, 0) without IP_BIND_ADDRESS_NO_PORT. Such a port serves no other
 * destination, so all destinations of the source address share one pool.
 */
export interface BoundPoolRow {
  readonly sourceIp: string;
  /** Ports of ip_local_port_range that sockets of this address have, however they came by them: bind() passes over all. */
  readonly taken: number;
  /** Of these, taken to be bound before connect(): see docs/ports.md for how they are told. */
  readonly bound: number;
  readonly destinations: number;
  readonly capacity: number;
  readonly left: number;
  readonly share: number;
  readonly isMarked: boolean;
}

/** Source ports that NAT gave out on this host, out of conntrack. */
export interface TranslatedRow {
  /** The address that the destination sees. */
  readonly sourceIp: string;
  readonly destinationIp: string;
  readonly destinationPort: number;
  /** Tracked connections from this address to that destination, those of this host included. */
  readonly taken: number;
  readonly timeWait: number;
  /** Ports that NAT has to choose from. */
  readonly ports: PortRange;
  /** The rule that says so; undefined where none does: then it is the kernel's own choice, 1024-65535. */
  readonly rule: string | undefined;
  readonly capacity: number;
  readonly left: number;
  readonly share: number;
  readonly isMarked: boolean;
}

/** What conntrack says of NAT. */
export interface TranslatedPorts {
  /** Why conntrack could not be read, as an errno's name. */
  readonly refusedErrno: string | undefined;
  /** (source, destination) pairs with a connection whose source was translated. */
  readonly distinct: number;
  readonly marked: number;
  /** Tracked TCP connections of these pairs. */
  readonly connections: number;
  /** Highest share first. */
  readonly rows: readonly TranslatedRow[];
}

export interface Pressure {
  readonly kind: "pressure";
  readonly version: 1;
  readonly takenAt: string;
  readonly elapsedMs: number;
  readonly source: SourceName;
  readonly fallbackErrno: string | undefined;
  readonly wasInterrupted: boolean;
  /** net.ipv4.ip_local_port_range (IPv6 uses it too). */
  readonly portRange: PortRange;
  /** Ports of the range that net.ipv4.ip_local_reserved_ports keeps from the kernel's choice. */
  readonly reservedPorts: number;
  /** Ports of the range, not reserved, that LISTEN sockets hold: the kernel passes them over. */
  readonly listeningPorts: number;
  /** What the kernel has to choose from: range - reserved - listening. */
  readonly kernelCapacity: number;
  /**
   * Sockets opened from here: accepted ones take no source port. Left out are those, too, whose local endpoint several
   * peers share, each with one connection from a higher port: most likely they were accepted, and their listener is gone.
   */
  readonly outgoing: number;
  /** (source IP, destination IP, destination port) triples there are. */
  readonly distinct: number;
  /** Triples that are marked, shown or not. */
  readonly marked: number;
  /** Highest share first. */
  readonly rows: readonly PressureRow[];
  /** Source addresses whose ports were bound before connect(); highest share first. undefined where not asked for. */
  readonly bound?: readonly BoundPoolRow[] | undefined;
  /** undefined where not asked for, or where conntrack follows nothing here. */
  readonly translated?: TranslatedPorts | undefined;
  /** Processes that may not be looked into; with owners. */
  readonly unreadable?: number | undefined;
  /** Other users' processes are hidden (hidepid); with owners. */
  readonly isHiding?: boolean | undefined;
}
