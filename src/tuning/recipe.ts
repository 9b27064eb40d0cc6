// Building blocks for recipes: the case that a limit is too low, and the three kinds of changes.

import type { Limit } from "../capacity/limit.js";
import { LIMITS } from "../capacity/limits/catalogue.js";
import type { Examined } from "../capacity/predict.js";
import type { LimitRow } from "../results/limits.js";
import { formatBytes, formatCount } from "../util/units.js";
import type { Change, ReadSetting } from "./change.js";
import { normalise, PORT_RANGE, RESERVED_PORTS, roundUp } from "./value.js";

/** Host, load, one limit that is too low, and the current settings. */
export interface Case extends Examined {
  readonly limit: Limit;
  readonly row: LimitRow;
  readonly read: ReadSetting;
  readonly udpPorts: readonly number[];
  /** Reports that a setting cannot be read. */
  miss(name: string): void;
}

/** Returns the changes that raise one limit, in order. */
export type Recipe = (found: Case) => readonly Change[];

/** Settings that each network namespace, and therefore each container, has separately. */
const OF_CONTAINERS = ["net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", PORT_RANGE, RESERVED_PORTS];

export function limitOf(id: string): Limit {
  return LIMITS.find((limit) => limit.id === id)!;
}

/**
 * Returns a change to a sysctl.
 * @param from, to values in the kernel's format
 */
export function sysctl({ limit }: Case, name: string, from: string, to: string, why: string): Change {
  return {
    limitId: limit.id,
    kind: "sysctl",
    name,
    from: normalise(name, from),
    to,
    why,
    how: `sysctl -w ${name}="${to}"`,
    pitfall: limit.pitfall,
    privilege: limit.privilege,
    systemd: `add "${name} = ${to}" to a file in /etc/sysctl.d`,
    container: OF_CONTAINERS.includes(name) ? `--sysctl ${name}="${to}"` : "set on the host: containers share it",
  };
}

/**
 * Returns a change to RLIMIT_NOFILE.
 * @param from, to descriptor counts
 */
export function rlimit(found: Case, name: string, from: number, to: number): Change {
  const { limit } = found;
  return {
    limitId: limit.id,
    kind: "rlimit",
    name,
    from: from === Number.POSITIVE_INFINITY ? "unlimited" : `${from}`,
    to: `${to}`,
    why: whyOf(found),
    how: `ulimit -n ${to}`,
    pitfall: limit.pitfall,
    privilege: limit.privilege,
    systemd: `LimitNOFILE=${to}`,
    container: `--ulimit nofile=${to}:${to}`,
  };
}

/**
 * Returns a change to RLIMIT_MEMLOCK. Shells and limits.conf count in KiB; the others count in
 * bytes.
 */
export function memlockLimit(found: Case): Change {
  const { limit, row, facts, load } = found;
  const bytes = roundUp(row.needs!);
  const kib = bytes / 1024;
  const needed = `the rings of ${formatCount(load.connections)} connections lock ${formatBytes(row.needs!)}`;
  return {
    limitId: limit.id,
    kind: "rlimit",
    name: limit.name,
    from: `${facts.memlockBytes ?? "unknown"}`,
    to: `${bytes}`,
    why: row.verdict === "low" ? `${needed}, both ends together; epoll is used until then` : needed,
    how: `ulimit -l ${kib}; for all logins of a user: "USER - memlock ${kib}" in /etc/security/limits.conf; for a running shell: prlimit --pid $$ --memlock=${bytes}`,
    pitfall: limit.pitfall,
    privilege: limit.privilege,
    systemd: `LimitMEMLOCK=${bytes}`,
    container: `--ulimit memlock=${bytes}:${bytes}`,
  };
}

/**
 * Returns advice for a limit that cannot be changed on a running host.
 * @param more values that replace the limit's own texts
 */
export function advise(found: Case, more: Partial<Change> = {}): Change {
  const { limit, row } = found;
  return {
    limitId: limit.id,
    kind: "advice",
    name: limit.name,
    from: row.nowText,
    to: row.needs === undefined ? undefined : formatNeeds(row),
    why: whyOf(found),
    how: limit.change,
    pitfall: limit.pitfall,
    privilege: limit.privilege,
    ...more,
  };
}

export function whyOf({ row, load }: Case): string {
  const wanted = `${formatCount(load.connections)} connections`;
  if (typeof row.allows === "number") return `it allows ${formatCount(row.allows)} of the ${wanted} wanted`;
  return `${wanted} perform better with ${row.needs === undefined ? "more" : formatNeeds(row)}; it caps ${row.caps}, not the number of connections`;
}

function formatNeeds({ needs, unit }: LimitRow): string {
  return unit === "bytes" ? formatBytes(needs!) : formatCount(needs!);
}
