// Presents port pressure and accept queues as metric families with bounded cardinality: the top rows, and one row
// named "other" for the rest. Names follow the conventions of Prometheus.
import type { Pressure } from "../../results/sockets/pressure.js";
import type { EndpointQueue, ListenerQueues } from "../../socket-table/listeners/accept-queues.js";
import { exposition, samplesOf } from "./exposition.js";
import { counter, described, type Family, filled, gauge, type Labels, type Sample } from "./families.js";

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

/** Ports and queues of one network namespace. */
export interface PortsReading {
  /** Value of the label `netns`; undefined for the namespace of the exporter, whose series have no such label. */
  readonly netns?: string | undefined;
  /** Has one row more than are shown, if there are that many. */
  readonly pressure: Pressure;
  readonly queues: ListenerQueues;
}

/**
 * Returns the families as OpenMetrics text, followed by `# EOF`.
 *
 * @param top number of rows in each family
 */
export function portsMetrics(reading: PortsReading, top: number): string {
  return exposition(portsFamilies([reading], top), "openmetrics");
}

/**
 * @param readings one for each network namespace; the rows of all of them share the families
 * @param top number of rows in each family
 */
export function portsFamilies(readings: readonly PortsReading[], top: number): Family[] {
  return filled(PREFIX, PORTS, {
    ...destinations(readings, top),
    ...boundPools(readings, top),
    ...translated(readings, top),
    ...acceptQueues(readings, top),
    ...perNamespace(readings, top),
  });
}

function destinations(readings: readonly PortsReading[], top: number) {
  const rows = ranked(readings, ({ pressure }) => pressure.rows, byShare);
  const shown = rows.slice(0, top);
  const distinct = total(readings, ({ pressure }) => pressure.distinct);
  const outgoing = total(readings, ({ pressure }) => pressure.outgoing);
  const values = (of: (row: (typeof shown)[number]["row"]) => number, other?: number): Sample[] => [
    ...samplesOf(shown, pairLabels, ({ row }) => of(row)),
    ...(distinct > shown.length ? [[OTHER_PAIR, other] as const] : []),
  ];
  return {
    source_ports_in_use: values((row) => row.inUse, outgoing - total(shown, ({ row }) => row.inUse)),
    source_ports_time_wait: values((row) => row.timeWait),
    source_ports_capacity: values((row) => row.capacity),
    source_ports_pressure_ratio: values((row) => row.share, rows[top]?.row.share),
  };
}

function boundPools(readings: readonly PortsReading[], top: number) {
  const shown = ranked(readings, ({ pressure }) => pressure.bound ?? [], byShare).slice(0, top);
  const values = (of: (row: (typeof shown)[number]["row"]) => number) =>
    samplesOf(
      shown,
      ({ netns, row }) => ({ ...netns, source: row.sourceIp }),
      ({ row }) => of(row),
    );
  return { bound_ports_in_use: values((row) => row.inUse), bound_ports_capacity: values((row) => row.capacity) };
}

function translated(readings: readonly PortsReading[], top: number) {
  const shown = ranked(readings, ({ pressure }) => pressure.translated?.rows ?? [], byShare).slice(0, top);
  const values = (of: (row: (typeof shown)[number]["row"]) => number) =>
    samplesOf(shown, pairLabels, ({ row }) => of(row));
  const connections = total(readings, ({ pressure }) => pressure.translated?.connections ?? 0);
  const rest = connections - total(shown, ({ row }) => row.inUse);
  const isCut = total(readings, ({ pressure }) => pressure.translated?.distinct ?? 0) > shown.length;
  return {
    nat_ports_in_use: [...values((row) => row.inUse), ...(isCut ? [[OTHER_PAIR, rest] as const] : [])],
    nat_ports_capacity: values((row) => row.capacity),
    nat_ports_pressure_ratio: values((row) => row.share),
  };
}

function acceptQueues(readings: readonly PortsReading[], top: number) {
  const order = (a: EndpointQueue, b: EndpointQueue) => a.port - b.port || (a.ip < b.ip ? -1 : 1);
  const rows = (compare: (a: EndpointQueue, b: EndpointQueue) => number) =>
    ranked(
      readings,
      ({ queues }) => queues.endpoints,
      (a, b) => compare(a, b) || order(a, b),
    );
  const fullest = rows((a, b) => b.length - a.length);
  const [shown, rest] = [fullest.slice(0, top), fullest.slice(top)];
  type Row = (typeof shown)[number];
  const labels = ({ netns, row }: Row): Labels => ({ ...netns, listener: row.ip, port: row.port });
  const values = (of: (row: EndpointQueue) => number | undefined): Sample[] => [
    ...samplesOf(shown, labels, ({ row }) => of(row)),
    ...(rest.length > 0 ? [[{ listener: OTHER, port: OTHER }, sum(rest.map(({ row }) => of(row)))] as const] : []),
  ];
  // Queues fill and empty, but drops only grow, so these rows rarely change. Their rest would not be a counter.
  const mostDrops = rows((a, b) => (b.drops ?? 0) - (a.drops ?? 0)).slice(0, top);
  return {
    accept_queue_length: values((row) => row.length),
    accept_queue_capacity: values((row) => row.capacity),
    accept_queue_drops: samplesOf(mostDrops, labels, ({ row }) => row.drops),
  };
}

/**
 * Figures that each namespace has once: those of the exporter's own, those of the namespaces with the most sockets, and
 * the sums of the rest, except for counters, whose sum would decrease when a namespace disappears.
 */
function perNamespace(readings: readonly PortsReading[], top: number) {
  const size = ({ queues }: PortsReading) => [...queues.byState.values()].reduce((a, b) => a + b, 0);
  const own = readings.filter(({ netns }) => netns === undefined);
  const others = readings.filter(({ netns }) => netns !== undefined).sort((a, b) => size(b) - size(a));
  const [shown, rest] = [[...own, ...others.slice(0, top)], others.slice(top)];
  const gauges = (of: (reading: PortsReading) => number): Sample[] => [
    ...shown.map((reading): Sample => [netnsLabel(reading), of(reading)]),
    ...(rest.length > 0 ? [[{ netns: OTHER }, total(rest, of)] as const] : []),
  ];
  const each = (of: (reading: PortsReading) => number | undefined) =>
    shown.map((reading): Sample => [netnsLabel(reading), of(reading)]);
  const states = [...(readings[0]?.queues.byState.keys() ?? [])];
  return {
    source_ports_pairs: gauges(({ pressure }) => pressure.distinct),
    source_ports_pairs_marked: gauges(({ pressure }) => pressure.marked),
    ephemeral_ports: each(({ pressure }) => pressure.kernelCapacity),
    reserved_ports: each(({ pressure }) => pressure.reservedPorts),
    tcp_sockets: states.flatMap((state) =>
      gauges(({ queues }) => queues.byState.get(state) ?? 0).map(([labels, n]): Sample => [{ ...labels, state }, n]),
    ),
    listen_overflows: each(({ queues }) => queues.listenOverflows),
    listen_drops: each(({ queues }) => queues.listenDrops),
  };
}

interface Ranked<Row> {
  readonly netns: Labels;
  readonly row: Row;
}

/** Returns the rows of all namespaces in one order; rows that compare equal keep theirs. */
function ranked<Row>(
  readings: readonly PortsReading[],
  rowsOf: (reading: PortsReading) => readonly Row[],
  compare: (a: Row, b: Row) => number,
): Ranked<Row>[] {
  return readings
    .flatMap((reading) => rowsOf(reading).map((row) => ({ netns: netnsLabel(reading), row })))
    .sort((a, b) => compare(a.row, b.row));
}

function byShare(a: { readonly share: number }, b: { readonly share: number }): number {
  return b.share - a.share;
}

const OTHER_PAIR: Labels = { source: OTHER, destination: OTHER, destination_port: OTHER };

function pairLabels({
  netns,
  row,
}: Ranked<{ sourceIp: string; destinationIp: string; destinationPort: number }>): Labels {
  return { ...netns, source: row.sourceIp, destination: row.destinationIp, destination_port: row.destinationPort };
}

function netnsLabel({ netns }: PortsReading): Labels {
  return netns === undefined ? {} : { netns };
}

function total<Row>(rows: readonly Row[], of: (row: Row) => number): number {
  return rows.reduce((all, row) => all + of(row), 0);
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  return values.includes(undefined) ? undefined : values.reduce<number>((total, value) => total + value!, 0);
}
