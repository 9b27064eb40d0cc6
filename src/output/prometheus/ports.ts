// Formats port pressure and accept queues as OpenMetrics text with bounded cardinality: the top rows, and one named
// "other" for the rest. Names follow the conventions of Prometheus.
import type { Pressure } from "../../results/sockets/pressure.js";
import type { EndpointQueue, ListenerQueues } from "../../socket-table/listeners/accept-queues.js";

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [labels: Labels, value: number | undefined];

const OTHER = "other";

/**
 * Returns all metric families, followed by `# EOF`.
 *
 * @param pressure has one row more than `top`, if there are that many
 * @param top number of rows in each family
 */
export function portsMetrics(pressure: Pressure, queues: ListenerQueues, top: number): string {
  return [
    ...destinations(pressure, top),
    ...boundPools(pressure, top),
    ...translated(pressure, top),
    ...acceptQueues(queues, top),
    ...host(pressure, queues),
    "# EOF\n",
  ].join("\n");
}

function destinations({ rows, distinct, marked, outgoing }: Pressure, top: number): string[] {
  const shown = rows.slice(0, top);
  const labels = shown.map(pairLabels);
  const rest = outgoing - shown.reduce((sum, { inUse }) => sum + inUse, 0);
  const others = distinct > shown.length ? [{ source: OTHER, destination: OTHER, destination_port: OTHER }] : [];
  const values = (of: (row: (typeof shown)[number]) => number, other?: number): Sample[] => [
    ...shown.map((row, i): Sample => [labels[i]!, of(row)]),
    ...others.map((label): Sample => [label, other]),
  ];
  return [
    ...family(
      "source_ports_in_use",
      "gauge",
      "Source ports in use for a destination, including TIME_WAIT.",
      values((row) => row.inUse, rest),
    ),
    ...family(
      "source_ports_time_wait",
      "gauge",
      "Source ports in TIME_WAIT for a destination.",
      values((row) => row.timeWait),
    ),
    ...family(
      "source_ports_capacity",
      "gauge",
      "Source ports available for a destination, used or not.",
      values((row) => row.capacity),
    ),
    ...family(
      "source_ports_pressure_ratio",
      "gauge",
      "Share of the source ports in use; for other, the highest share.",
      values((row) => row.share, rows[top]?.share),
    ),
    ...family("source_ports_pairs", "gauge", "Pairs of source address and destination.", [[{}, distinct]]),
    ...family("source_ports_pairs_marked", "gauge", "Pairs with 80 % or more of their source ports in use.", [
      [{}, marked],
    ]),
  ];
}

function boundPools({ bound = [] }: Pressure, top: number): string[] {
  const shown = bound.slice(0, top);
  const values = (of: (row: (typeof shown)[number]) => number) =>
    shown.map((row): Sample => [{ source: row.sourceIp }, of(row)]);
  return [
    ...family(
      "bound_ports_in_use",
      "gauge",
      "Ports in use in the pool shared by all destinations after bind(address, 0) before connect().",
      values((row) => row.inUse),
    ),
    ...family(
      "bound_ports_capacity",
      "gauge",
      "Ports in this pool.",
      values((row) => row.capacity),
    ),
  ];
}

function translated({ translated: nat }: Pressure, top: number): string[] {
  const shown = nat?.rows.slice(0, top) ?? [];
  const rest = (nat?.connections ?? 0) - shown.reduce((sum, { inUse }) => sum + inUse, 0);
  const others = (nat?.distinct ?? 0) > shown.length;
  const values = (of: (row: (typeof shown)[number]) => number) =>
    shown.map((row): Sample => [pairLabels(row), of(row)]);
  const other: Sample[] = others ? [[{ source: OTHER, destination: OTHER, destination_port: OTHER }, rest]] : [];
  return [
    ...family("nat_ports_in_use", "gauge", "Source ports given out by NAT for a destination.", [
      ...values((row) => row.inUse),
      ...other,
    ]),
    ...family(
      "nat_ports_capacity",
      "gauge",
      "Source ports available to NAT for a destination.",
      values((row) => row.capacity),
    ),
    ...family(
      "nat_ports_pressure_ratio",
      "gauge",
      "Share of the source ports in use.",
      values((row) => row.share),
    ),
  ];
}

function acceptQueues({ endpoints }: ListenerQueues, top: number): string[] {
  const shown = endpoints.slice(0, top);
  const rest = endpoints.slice(top);
  const values = (of: (row: EndpointQueue) => number | undefined): Sample[] => [
    ...shown.map((row): Sample => [{ listener: row.ip, port: row.port }, of(row)]),
    ...(rest.length > 0 ? [[{ listener: OTHER, port: OTHER }, sum(rest.map(of))] as const] : []),
  ];
  return [
    ...family(
      "accept_queue_length",
      "gauge",
      "Connections waiting for accept().",
      values((row) => row.length),
    ),
    ...family(
      "accept_queue_capacity",
      "gauge",
      "Limit on connections waiting for accept().",
      values((row) => row.capacity),
    ),
    ...family(
      "accept_queue_drops",
      "counter",
      "SYNs and final ACKs dropped, usually because the accept queue was full.",
      values((row) => row.drops),
    ),
  ];
}

function host({ kernelCapacity, reservedPorts }: Pressure, queues: ListenerQueues): string[] {
  const { byState, listenOverflows, listenDrops } = queues;
  return [
    ...family("ephemeral_ports", "gauge", "Ports that the kernel can choose from for each pair.", [
      [{}, kernelCapacity],
    ]),
    ...family("reserved_ports", "gauge", "Reserved ports in the ephemeral range.", [[{}, reservedPorts]]),
    ...family(
      "tcp_sockets",
      "gauge",
      "TCP sockets in the network namespace.",
      [...byState].map(([state, n]): Sample => [{ state }, n]),
    ),
    ...family("listen_overflows", "counter", "Accept queue overflows across all listeners since boot.", [
      [{}, listenOverflows],
    ]),
    ...family("listen_drops", "counter", "SYNs dropped by all listeners since boot.", [[{}, listenDrops]]),
  ];
}

/** Returns one metric family; empty without samples. Names of counter samples end in _total. */
function family(name: string, type: "gauge" | "counter", help: string, samples: readonly Sample[]): string[] {
  const known = samples.filter((sample): sample is readonly [Labels, number] => sample[1] !== undefined);
  if (known.length === 0) return [];
  const full = `fourtuple_${name}`;
  return [
    `# TYPE ${full} ${type}`,
    ...(name.endsWith("_ratio") ? [`# UNIT ${full} ratio`] : []),
    `# HELP ${full} ${escapeText(help)}`,
    ...known.map(([labels, value]) => `${full}${type === "counter" ? "_total" : ""}${labelText(labels)} ${value}`),
  ];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(`${value}`)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function pairLabels(row: { sourceIp: string; destinationIp: string; destinationPort: number }): Labels {
  return { source: row.sourceIp, destination: row.destinationIp, destination_port: row.destinationPort };
}

/** Escapes backslash, quote and line feed as specified by OpenMetrics. */
export function escapeLabel(text: string): string {
  return escapeText(text).replaceAll('"', '\\"');
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  return values.includes(undefined) ? undefined : values.reduce<number>((total, value) => total + value!, 0);
}
