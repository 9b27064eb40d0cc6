// Presents port pressure and accept queues as metric families with bounded cardinality: the top rows, and one row
// named "other" for the rest. Names follow the conventions of Prometheus.
import type { Pressure } from "../../results/sockets/pressure.js";
import type { EndpointQueue, ListenerQueues } from "../../socket-table/listeners/accept-queues.js";
import { exposition, samplesOf } from "./exposition.js";
import { counter, described, type Family, filled, gauge, type Labels, only, type Sample } from "./families.js";

const PREFIX = "fourtuple";
const OTHER = "other";
const PAIR = ["source", "destination", "destination_port"];
const LISTENER = ["listener", "port"];

const PORTS = {
  source_ports_in_use: gauge("Source ports in use for a destination, including TIME_WAIT.", ...PAIR),
  source_ports_time_wait: gauge("Source ports in TIME_WAIT for a destination.", ...PAIR),
  source_ports_capacity: gauge("Source ports available for a destination, used or not.", ...PAIR),
  source_ports_pressure_ratio: gauge(
    "Share of the source ports in use; the series other has the highest share of the rest.",
    ...PAIR,
  ),
  source_ports_pairs: gauge("Pairs of source address and destination."),
  source_ports_pairs_marked: gauge("Pairs with 80% or more of their source ports in use."),
  bound_ports_in_use: gauge(
    "Ports in use in the pool that all destinations share if programs call bind(address, 0) before connect().",
    "source",
  ),
  bound_ports_capacity: gauge("Ports in this pool.", "source"),
  nat_ports_in_use: gauge("Source ports that NAT has assigned for a destination.", ...PAIR),
  nat_ports_capacity: gauge("Source ports available to NAT for a destination.", ...PAIR),
  nat_ports_pressure_ratio: gauge("Share of the source ports in use.", ...PAIR),
  accept_queue_length: gauge("Connections waiting for accept().", ...LISTENER),
  accept_queue_capacity: gauge("Connections that fit in the accept queue: backlog plus one.", ...LISTENER),
  accept_queue_drops: counter(
    "SYNs and final ACKs dropped, usually because the accept queue was full; for the listeners with the most drops.",
    ...LISTENER,
  ),
  ephemeral_ports: gauge("Ports that the kernel can choose from for each pair."),
  reserved_ports: gauge("Reserved ports in the ephemeral range."),
  tcp_sockets: gauge("TCP sockets in the network namespace.", "state"),
  listen_overflows: counter("Accept queue overflows across all listeners since boot."),
  listen_drops: counter("SYNs dropped by all listeners since boot."),
};

export const PORTS_FAMILIES = described(PREFIX, PORTS);

/**
 * Returns the families as OpenMetrics text, followed by `# EOF`.
 *
 * @param pressure has one row more than `top`, if there are that many rows
 * @param top number of rows in each family
 */
export function portsMetrics(pressure: Pressure, queues: ListenerQueues, top: number): string {
  return exposition(portsFamilies(pressure, queues, top), "openmetrics");
}

/** @param pressure as for portsMetrics() */
export function portsFamilies(pressure: Pressure, queues: ListenerQueues, top: number): Family[] {
  return filled(PREFIX, PORTS, {
    ...destinations(pressure, top),
    ...boundPools(pressure, top),
    ...translated(pressure, top),
    ...acceptQueues(queues, top),
    ...host(pressure, queues),
  });
}

function destinations({ rows, distinct, marked, outgoing }: Pressure, top: number) {
  const shown = rows.slice(0, top);
  const values = (of: (row: (typeof shown)[number]) => number, other?: number): Sample[] => [
    ...samplesOf(shown, pairLabels, of),
    ...(distinct > shown.length ? [[OTHER_PAIR, other] as const] : []),
  ];
  return {
    source_ports_in_use: values((row) => row.inUse, outgoing - sum(shown.map(({ inUse }) => inUse))!),
    source_ports_time_wait: values((row) => row.timeWait),
    source_ports_capacity: values((row) => row.capacity),
    source_ports_pressure_ratio: values((row) => row.share, rows[top]?.share),
    source_ports_pairs: only(distinct),
    source_ports_pairs_marked: only(marked),
  };
}

function boundPools({ bound = [] }: Pressure, top: number) {
  const values = (of: (row: (typeof bound)[number]) => number) =>
    samplesOf(bound.slice(0, top), ({ sourceIp }) => ({ source: sourceIp }), of);
  return { bound_ports_in_use: values((row) => row.inUse), bound_ports_capacity: values((row) => row.capacity) };
}

function translated({ translated: nat }: Pressure, top: number) {
  const shown = nat?.rows.slice(0, top) ?? [];
  const values = (of: (row: (typeof shown)[number]) => number) => samplesOf(shown, pairLabels, of);
  const rest = (nat?.connections ?? 0) - sum(shown.map(({ inUse }) => inUse))!;
  const isCut = (nat?.distinct ?? 0) > shown.length;
  return {
    nat_ports_in_use: [...values((row) => row.inUse), ...(isCut ? [[OTHER_PAIR, rest] as const] : [])],
    nat_ports_capacity: values((row) => row.capacity),
    nat_ports_pressure_ratio: values((row) => row.share),
  };
}

function acceptQueues({ endpoints }: ListenerQueues, top: number) {
  const shown = endpoints.slice(0, top);
  const rest = endpoints.slice(top);
  const labels = ({ ip, port }: EndpointQueue): Labels => ({ listener: ip, port });
  const values = (of: (row: EndpointQueue) => number | undefined): Sample[] => [
    ...samplesOf(shown, labels, of),
    ...(rest.length > 0 ? [[{ listener: OTHER, port: OTHER }, sum(rest.map(of))] as const] : []),
  ];
  // Queues fill and empty, but drops only grow, so these rows rarely change. Their rest would not be a counter.
  const mostDrops = endpoints
    .toSorted((a, b) => (b.drops ?? 0) - (a.drops ?? 0) || a.port - b.port || (a.ip < b.ip ? -1 : 1))
    .slice(0, top);
  return {
    accept_queue_length: values((row) => row.length),
    accept_queue_capacity: values((row) => row.capacity),
    accept_queue_drops: samplesOf(mostDrops, labels, (row) => row.drops),
  };
}

function host({ kernelCapacity, reservedPorts }: Pressure, queues: ListenerQueues) {
  const { byState, listenOverflows, listenDrops } = queues;
  return {
    ephemeral_ports: only(kernelCapacity),
    reserved_ports: only(reservedPorts),
    tcp_sockets: [...byState].map(([state, n]): Sample => [{ state }, n]),
    listen_overflows: only(listenOverflows),
    listen_drops: only(listenDrops),
  };
}

const OTHER_PAIR: Labels = { source: OTHER, destination: OTHER, destination_port: OTHER };

function pairLabels(row: { sourceIp: string; destinationIp: string; destinationPort: number }): Labels {
  return { source: row.sourceIp, destination: row.destinationIp, destination_port: row.destinationPort };
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  return values.includes(undefined) ? undefined : values.reduce<number>((total, value) => total + value!, 0);
}
