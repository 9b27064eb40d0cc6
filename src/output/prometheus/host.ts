// Makes metric families for the limits of the host, its memory and connection tracking, and for the cost of reading
// them.
import type { LimitUse } from "../../capacity/limits/use.js";
import { counter, described, type Family, filled, gauge, only, type Sample } from "./families.js";

const PREFIX = "fourtuple";
const LIMIT = ["limit", "unit", "scope"];

const HOST = {
  limit: gauge("Each limit of `fourtuple doctor`, in its unit; +Inf if there is none.", ...LIMIT),
  limit_used: gauge("Usage of each limit on a resource that can run out.", ...LIMIT),
  limit_headroom: gauge("What is left of each limit on a resource that can run out.", ...LIMIT),
  conntrack_drops: counter("Packets dropped because the connection tracking table was full, since boot."),
  conntrack_early_drops: counter("Tracked connections removed to make room for others, since boot."),
  conntrack_insert_failed: counter("Connections that could not be added to the connection tracking table, since boot."),
  softnet_drops: counter("Packets dropped because a core's backlog was full, since boot."),
  memory_bytes: gauge("Kernel memory: slab, page_tables, kernel_stack, and data in TCP sockets.", "kind"),
};

export interface HostValues {
  readonly limits: readonly LimitUse[];
  /** Counters of /proc/net/stat/nf_conntrack by name; empty without connection tracking. */
  readonly conntrack: Readonly<Record<string, number>>;
  readonly softnetDrops: number | undefined;
  readonly memoryBytes: Readonly<Record<string, number | undefined>>;
  /** Other network namespaces. */
  readonly elsewhere?: readonly NamespaceValues[] | undefined;
}

export interface NamespaceValues {
  readonly netns: string;
  /** Limits that the namespace does not share with others. */
  readonly limits: readonly LimitUse[];
  readonly conntrack: Readonly<Record<string, number>>;
}

const EXPORTER = {
  exporter_build_info: gauge("Always 1; the label is the version of fourtuple.", "version"),
  exporter_source_info: gauge("Always 1; the label is where the socket table was read from.", "source"),
  exporter_collector_success: gauge("1 if the collector succeeded in the last pass, otherwise 0.", "collector"),
  exporter_collector_duration_seconds: gauge("Time that the collector took in the last pass.", "collector"),
  exporter_reading_cpu_seconds: gauge("CPU time of the last pass over the kernel's tables."),
  exporter_readings: counter("Passes over the kernel's tables since the start. Concurrent scrapes share one."),
};

export interface ExporterValues {
  readonly version: string;
  readonly source: string | undefined;
  readonly collectors: readonly { readonly name: string; readonly isOk: boolean; readonly seconds: number }[];
  readonly cpuSeconds: number;
  readonly readings: number;
}

export const HOST_FAMILIES = [...described(PREFIX, HOST), ...described(PREFIX, EXPORTER)];

/** @param top number of limits and counters of other namespaces in each family */
export function hostFamilies(
  { limits, conntrack, softnetDrops, memoryBytes, elsewhere = [] }: HostValues,
  top: number,
): Family[] {
  const nearest = elsewhere
    .flatMap(({ netns, limits: own }) => own.map((limit) => ({ netns: { netns }, limit })))
    .sort((a, b) => shareOf(b.limit) - shareOf(a.limit))
    .slice(0, top);
  const values = (of: (limit: LimitUse) => number | undefined) =>
    [...limits.map((limit) => ({ netns: {}, limit })), ...nearest].map(({ netns, limit }): Sample => {
      return [{ ...netns, limit: limit.id, unit: limit.unit, scope: limit.scope }, of(limit)];
    });
  const losses = ({ conntrack: { drop = 0, insert_failed = 0 } }: NamespaceValues) => drop + insert_failed;
  const losing = elsewhere.toSorted((a, b) => losses(b) - losses(a)).slice(0, top);
  const counters = (name: string): Sample[] => [
    [{}, conntrack[name]],
    ...losing.map(({ netns, conntrack: own }): Sample => [{ netns }, own[name]]),
  ];
  return filled(PREFIX, HOST, {
    limit: values(({ limit }) => limit),
    limit_used: values(({ used }) => used),
    limit_headroom: values(({ limit, used }) => (used === undefined ? undefined : Math.max(0, limit - used))),
    conntrack_drops: counters("drop"),
    conntrack_early_drops: counters("early_drop"),
    conntrack_insert_failed: counters("insert_failed"),
    softnet_drops: only(softnetDrops),
    memory_bytes: Object.entries(memoryBytes).map(([kind, bytes]): Sample => [{ kind }, bytes]),
  });
}

function shareOf({ used = 0, limit }: LimitUse): number {
  return used / limit;
}

export function exporterFamilies({ version, source, collectors, cpuSeconds, readings }: ExporterValues): Family[] {
  return filled(PREFIX, EXPORTER, {
    exporter_build_info: [[{ version }, 1]],
    exporter_source_info: source === undefined ? [] : [[{ source }, 1]],
    exporter_collector_success: collectors.map(({ name, isOk }): Sample => [{ collector: name }, Number(isOk)]),
    exporter_collector_duration_seconds: collectors.map(({ name, seconds }): Sample => [{ collector: name }, seconds]),
    exporter_reading_cpu_seconds: only(cpuSeconds),
    exporter_readings: only(readings),
  });
}
