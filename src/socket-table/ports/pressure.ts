// Determines port pressure: the number of source ports used and left for each destination.

import type { Pressure, PressureRow } from "../../results/sockets/pressure.js";
import { PRESSURE_MARK } from "./marks.js";

export type {
  BoundPoolRow,
  PortPool,
  Pressure,
  PressureOwner,
  PressureRow,
  TranslatedPorts,
  TranslatedRow,
} from "../../results/sockets/pressure.js";

import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import { topIds } from "../aggregate/dense-index.js";
import { Triples } from "../aggregate/triples.js";
import { type SocketFilter, toQuery } from "../filter.js";
import { KnownListeners } from "../listeners/listeners.js";
import { type ScannedOwners, scanOwners } from "../listeners/owners.js";
import { ALL_STATES } from "../query.js";
import type { GroupVisitor } from "../sources/groups.js";
import { readTogether, type SummaryPart } from "../sources/together.js";
import { describeReading, type ReadingStart, startReading } from "../summary.js";
import type { SocketQuery, SocketView, SocketVisit, TableRead } from "../table.js";
import { BoundPools } from "./bound-pools.js";
import { type NatRuleReader, readRulesNow } from "./nat-rule-cache.js";
import { type PortPoolSize, readPool } from "./port-pool.js";
import { readTranslatedPorts } from "./translated-ports.js";

const TOP = 10;
const CONNECTION_STATES = ALL_STATES & ~(1 << TCP_LISTEN);

/**
 * Filters apply to destinations. There is no filter for states, because a port is in use whatever the state of its
 * socket.
 */
export interface PressureOptions extends Omit<SocketFilter, "states"> {
  /** Port of the destination. There is no filter for a source port, which says nothing about how many are left. */
  readonly port?: number | string | undefined;
  /** Family of the destination. IPv4-mapped sockets use IPv4 ports. */
  readonly family?: 4 | 6 | undefined;
  /** Maximum number of rows; default 10. */
  readonly top?: number | undefined;
  /** Whether to add the owners of sockets to the rows. */
  readonly process?: boolean | undefined;
  /** Whether to leave out pools of bound ports and NAT's ports, both of which need separate passes. */
  readonly connectionsOnly?: boolean | undefined;
}

/**
 * Returns how close connections to each destination are to failing with "Cannot assign requested address".
 *
 * @param beside further visitors of the same connections, served by the same pass
 * @param readRules reads NAT's rules
 * @throws {AppError} E_ADDRESS for an invalid address or port; E_PERMISSION or E_SYSTEM when the table cannot be read
 * @see Linux ip-sysctl.rst, ip_local_port_range and ip_local_reserved_ports
 */
export async function pressure(
  options: PressureOptions = {},
  beside: readonly Omit<SummaryPart, "query">[] = [],
  readRules: NatRuleReader = readRulesNow,
): Promise<Pressure> {
  const start = startReading();
  const known = await KnownListeners.read(options.source);
  const owners = options.process ? await scanOwners() : undefined;
  const part = new PressureSummary(options, known, owners);
  const bound = options.connectionsOnly ? undefined : new BoundPools(known, part.pool, part.query.source);
  // A pool is shared by all destinations, so its ports are counted whatever the filter.
  const isOneReading = bound !== undefined && !part.isFiltered && !owners;
  const parts = [part, ...(isOneReading ? [bound] : []), ...beside];
  const visitors = parts.map((each) => ({ query: part.query, begin: () => each.begin(), groups: each.groups }));
  const read = await readTogether(part.query, visitors, known);
  const result = part.result(start, read);
  if (!bound) return result;
  if (!isOneReading) await readTogether(bound.query, [bound], known);
  await bound.readUnconnected();
  const { remote, either } = part.query;
  const { family, top = TOP } = options;
  const translated = await readTranslatedPorts(known.addresses, { family, remote, either, top }, readRules);
  return { ...result, elapsedMs: performance.now() - start.startMs, bound: bound.rows(part.isWanted), translated };
}

/** Computes port pressure as part of a pass over the table. */
export class PressureSummary implements SummaryPart {
  readonly query: SocketQuery;
  readonly pool: PortPoolSize;
  /** Whether only some destinations are requested. */
  readonly isFiltered: boolean;
  private readonly options: PressureOptions;
  private readonly known: KnownListeners;
  private readonly owners: ScannedOwners | undefined;
  private triples: Triples;

  /** @param owners if undefined, rows have no owners */
  constructor(options: PressureOptions, known: KnownListeners, owners?: ScannedOwners) {
    const { family, process: _, connectionsOnly: __, ...filter } = options;
    const query = toQuery({ ...filter, states: undefined, memory: false });
    this.query = { ...query, states: CONNECTION_STATES, tuplesOnly: !owners, withoutTimers: !!owners };
    this.isFiltered = family !== undefined || query.either !== undefined || query.remote !== undefined;
    this.options = options;
    this.known = known;
    this.owners = owners;
    this.pool = readPool(known.listening);
    this.triples = this.newTriples();
  }

  begin(): SocketVisit {
    const triples = this.newTriples();
    this.triples = triples;
    const isDestination = this.destinationTest();
    return (socket) => {
      if (isDestination(socket)) triples.add(socket);
    };
  }

  /** Absent for the owners of sockets. */
  get groups(): GroupVisitor | undefined {
    if (this.owners) return undefined;
    const isDestination = this.destinationTest();
    return {
      localRange: this.pool.range,
      addGroup: (socket, sockets) => {
        if (isDestination(socket)) this.triples.addGroup(socket, sockets);
      },
    };
  }

  /** Returns whether a source address belongs to the requested destinations. */
  readonly isWanted = (sourceId: number): boolean => !this.isFiltered || this.triples.hasSource(sourceId);

  /** Returns the pressure, without bound pools and NAT's ports. */
  result(start: ReadingStart, read: TableRead): Pressure {
    const { triples, pool, owners } = this;
    triples.leaveOutServers();
    let marked = 0;
    for (let id = 0; id < triples.index.size; id++) if (this.share(id) >= PRESSURE_MARK) marked++;
    return {
      kind: "pressure",
      version: 1,
      ...describeReading(start, read),
      portRange: pool.range,
      reservedPorts: pool.reserved,
      listeningPorts: pool.listening,
      kernelCapacity: pool.capacity,
      outgoing: triples.outgoing,
      distinct: triples.distinct,
      marked,
      rows: this.rows(this.options.top ?? TOP),
      ...(owners && { unreadable: owners.unreadable, isHiding: owners.isHiding }),
    };
  }

  /** Returns the row with the highest share; undefined if no connection was opened from here. */
  fullest(): PressureRow | undefined {
    this.triples.leaveOutServers();
    return this.rows(1)[0];
  }

  private rows(top: number): PressureRow[] {
    const { triples, pool } = this;
    const order = (a: number, b: number) => triples.compare(a, b);
    return topIds(triples.index.size, top, (id) => this.share(id), order).map((id) => triples.row(id, pool.capacity));
  }

  private share(id: number): number {
    return this.triples.inUse.get(id) / this.triples.capacity(id, this.pool.capacity);
  }

  private destinationTest(): (socket: SocketView) => boolean {
    const { family } = this.options;
    const ports = this.query.either?.ports?.[0];
    return (socket) => {
      if (family !== undefined && family !== (socket.remoteIpv4 >= 0 ? 4 : 6)) return false;
      return !ports || (socket.remotePort >= ports.first && socket.remotePort <= ports.last);
    };
  }

  private newTriples(): Triples {
    return new Triples(this.known.addresses, this.known.listening, this.pool.range, this.owners);
  }
}
