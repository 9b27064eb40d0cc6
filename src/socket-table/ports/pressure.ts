// Port pressure: the number of source ports used and left for each destination.

import type { Pressure } from "../../results/sockets/pressure.js";
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
import { AddressIndex } from "../addresses.js";
import { topIds } from "../aggregate/dense-index.js";
import { Triples } from "../aggregate/triples.js";
import { type SocketFilter, toQuery } from "../filter.js";
import { ListenerSet } from "../listeners/listeners.js";
import { scanOwners } from "../listeners/owners.js";
import { ALL_STATES } from "../query.js";
import { readTable } from "../table.js";
import { readBoundPools } from "./bound-pools.js";
import { readPool } from "./port-pool.js";
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
  /** Includes the owners of sockets. */
  readonly process?: boolean | undefined;
  /** Omits pools of bound ports and NAT's ports, both of which need separate readings. */
  readonly connectionsOnly?: boolean | undefined;
}

/**
 * Returns how close each destination is to "Cannot assign requested address".
 *
 * @throws {AppError} E_ADDRESS for an invalid address or port; E_PERMISSION or E_SYSTEM when the table cannot be read
 * @see Linux ip-sysctl.rst, ip_local_port_range and ip_local_reserved_ports
 */
export async function pressure(options: PressureOptions = {}): Promise<Pressure> {
  const takenAt = new Date();
  const startMs = performance.now();
  const { family, process, connectionsOnly, ...filter } = options;
  const top = options.top ?? TOP;
  const query = { ...toQuery({ ...filter, states: undefined, memory: false }), states: CONNECTION_STATES };
  const ports = query.either?.ports?.[0];
  const addresses = new AddressIndex();
  const listening = await ListenerSet.read(addresses, query.source);
  const pool = readPool(listening);
  const owners = process ? await scanOwners() : undefined;
  let triples = new Triples(addresses, listening, pool.range, owners);
  const read = await readTable(query, () => {
    triples = new Triples(addresses, listening, pool.range, owners);
    return (socket) => {
      if (family !== undefined && family !== (socket.remoteIpv4 >= 0 ? 4 : 6)) return;
      if (ports && (socket.remotePort < ports.first || socket.remotePort > ports.last)) return;
      triples.add(socket);
    };
  });
  triples.leaveOutServers();
  const shares = (id: number) => triples.inUse.get(id) / triples.capacity(id, pool.capacity);
  let marked = 0;
  for (let id = 0; id < triples.index.size; id++) if (shares(id) >= PRESSURE_MARK) marked++;
  const isFiltered = family !== undefined || query.either !== undefined || query.remote !== undefined;
  const isWanted = (sourceId: number) => !isFiltered || triples.hasSource(sourceId);
  const whole = connectionsOnly
    ? undefined
    : {
        bound: await readBoundPools(addresses, listening, pool, { isWanted, source: query.source }),
        translated: await readTranslatedPorts(addresses, { family, remote: query.remote, either: query.either, top }),
      };
  return {
    kind: "pressure",
    version: 1,
    takenAt: takenAt.toISOString(),
    elapsedMs: performance.now() - startMs,
    source: read.source,
    fallbackErrno: read.fallbackErrno,
    wasInterrupted: read.wasInterrupted,
    portRange: pool.range,
    reservedPorts: pool.reserved,
    listeningPorts: pool.listening,
    kernelCapacity: pool.capacity,
    outgoing: triples.outgoing,
    distinct: triples.distinct,
    marked,
    rows: topIds(triples.index.size, top, shares, (a, b) => triples.compare(a, b)).map((id) =>
      triples.row(id, pool.capacity),
    ),
    ...whole,
    ...(owners && { unreadable: owners.unreadable, isHiding: owners.isHiding }),
  };
}
