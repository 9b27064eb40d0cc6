// Plans the changes on this host that make the load fit: raises every limit that is too low, in an order that is safe
// at each step. No limit is ever lowered, and nothing is proposed for limits that cannot be read.

import { RUN_RESIDENT_BYTES } from "../capacity/limits/memory.js";
import { chargedPerConnection } from "../capacity/load.js";
import { type Examined, predict } from "../capacity/predict.js";
import { floorOf } from "../engine/memory-floor.js";
import { printable } from "../util/printable.js";
import { formatBytes, formatCount } from "../util/units.js";
import type { Change, FixPlan, ReadSetting } from "./change.js";
import { explainPorts, planPorts } from "./port-changes.js";
import { advise, type Case, limitOf, memlockLimit, type Recipe, rlimit, sysctl, whyOf } from "./recipe.js";
import { PORT_RANGE, parseNumbers, RESERVED_PORTS, roundUp, toPowerOfTwo } from "./value.js";

/** Recipes by limit, ordered so that each setting comes after any other setting that bounds it. */
const RECIPES: readonly (readonly [id: string, recipe: Recipe])[] = [
  ["nofile", raiseNofile],
  ["peer-nofile", raiseServerNofile],
  ["memlock", (found) => [memlockLimit(found)]],
  ["file-max", (found) => raise(found)],
  ["epoll-watches", (found) => raise(found)],
  ["threads-max", (found) => raise(found)],
  ["nf-conntrack-buckets", (found) => raise(found, toPowerOfTwo)],
  ["nf-conntrack-max", (found) => raise(found)],
  ["gc-thresh3", (found) => raise(found)],
  ["tcp-mem", raiseTcpMem],
  ["tcp-max-syn-backlog", (found) => raise(found)],
  ["somaxconn", (found) => raise(found)],
  // Only one of the two applies: reserved ports are the limit only if the range would be sufficient without them.
  ["ip-local-port-range", widenPorts],
  ["ip-local-reserved-ports", widenPorts],
  // No setting of a running host changes these limits; only its administrator can.
  ["cgroup-memory", adviseMemory],
  ["cgroup-memory-high", adviseHigh],
  ["cgroup-pids", adviseThreads],
  ["tcp-ehash", adviseBuckets],
];

/** Skipped: whenever `nr-open` is too low, so is `nofile`, whose recipe raises both. */
const COVERED = "nr-open";

/** The kernel stores most values in an int. fs.nr_open must also be a multiple of 64. */
const LARGEST_INT = 2 ** 31 - 64;
const LONGS = ["fs.file-max", "fs.epoll.max_user_watches", "net.ipv4.tcp_mem"];

const MIB = 1024 ** 2;

/**
 * Returns the changes that the load needs, in order.
 *
 * @param read reads the current settings, which the changes start from
 * @param udpPorts UDP ports in use
 */
export function planChanges(examined: Examined, read: ReadSetting, udpPorts: readonly number[] = []): FixPlan {
  const { connections, limits, isTargetMet, unknown } = predict(examined);
  const missed: string[] = [];
  const changes = limits
    .filter(({ id, verdict }) => (verdict === "insufficient" || verdict === "low") && id !== COVERED)
    .sort((a, b) => rankOf(a.id) - rankOf(b.id))
    .flatMap((row) => {
      const limit = limitOf(row.id);
      const found: Case = { ...examined, limit, row, read, udpPorts, miss: (name) => missed.push(name) };
      return RECIPES[rankOf(row.id)]?.[1](found) ?? [advise(found)];
    });
  return {
    kind: "fix",
    version: 1,
    connections,
    isTargetMet,
    // List settings before advice.
    changes: [
      ...changes.filter((change) => change.kind !== "advice" && isLargest(change, changes)),
      ...changes.filter(({ kind }) => kind === "advice"),
    ],
    unknown: [...unknown, ...missed],
  };
}

/** Returns whether this is the largest change of its setting, because two limits may need the same setting. */
function isLargest(change: Change, all: readonly Change[]): boolean {
  const same = all.filter(({ kind, name }) => kind === "sysctl" && name === change.name);
  if (change.kind !== "sysctl" || same.length === 1) return true;
  return same.reduce((most, other) => (Number(other.to) > Number(most.to) ? other : most)) === change;
}

function rankOf(id: string): number {
  const at = RECIPES.findIndex(([known]) => known === id);
  return at < 0 ? RECIPES.length : at;
}

/** Raises the sysctl of the limit, a single number. */
function raise(found: Case, round = roundUp): readonly Change[] {
  return raiseTo(found, found.limit.sysctl!, [round(found.row.needs ?? 0)]);
}

/** Raises each number of a setting to at least the corresponding one in `wanted`. */
function raiseTo(found: Case, name: string, wanted: readonly number[]): readonly Change[] {
  const from = found.read(name);
  const numbers = parseNumbers(from);
  if (from === undefined || numbers?.length !== wanted.length) {
    found.miss(name);
    return [];
  }
  if (numbers.every((number, i) => number >= wanted[i]!)) return [];
  const most = LONGS.includes(name) ? Number.MAX_SAFE_INTEGER : LARGEST_INT;
  const to = numbers.map((number, i) => Math.max(number, Math.min(wanted[i]!, most)));
  if (to.every((number, i) => number === numbers[i])) return [advise(found)];
  return [sysctl(found, name, from, to.join(" "), whyOf(found))];
}

/** fs.nr_open limits the descriptors of every process, so it is raised first. */
function raiseNofile(found: Case): readonly Change[] {
  const { row, facts } = found;
  if (row.needs === undefined) return [];
  return withNrOpen(found, [rlimit(found, "RLIMIT_NOFILE", facts.nofile.hard, roundUp(row.needs))]);
}

/** Raises the limit of each accepting process by its share. */
function raiseServerNofile(found: Case): readonly Change[] {
  const { workers = [] } = found.load.peer ?? {};
  const share = Math.ceil(found.load.connections / workers.length);
  const changes = workers.flatMap(({ name, pid, nofileLimit, openDescriptors, isProxy }) => {
    const wanted = isProxy ? 2 * share : share;
    if (nofileLimit === undefined || nofileLimit === "unlimited" || openDescriptors === undefined) return [];
    if (nofileLimit - openDescriptors >= wanted) return [];
    const to = roundUp(openDescriptors + wanted);
    return [rlimit(found, `RLIMIT_NOFILE of ${printable(name)} (${pid})`, nofileLimit, to)];
  });
  return withNrOpen(found, changes);
}

function withNrOpen(found: Case, changes: readonly Change[]): readonly Change[] {
  const most = Math.max(0, ...changes.map(({ to }) => Number(to)));
  const raised = raiseTo({ ...found, limit: limitOf("nr-open") }, "fs.nr_open", [most]);
  return [...raised.map((change) => ({ ...change, why: "the higher RLIMIT_NOFILE below requires it" })), ...changes];
}

/** Sets low, pressure and high in the kernel's own proportions (net/ipv4/tcp.c, tcp_init_mem) and order. */
function raiseTcpMem(found: Case): readonly Change[] {
  const [lowNow = 0, pressureNow = 0] = parseNumbers(found.read("net.ipv4.tcp_mem")) ?? [];
  const high = roundUp(found.row.needs ?? 0);
  const low = Math.max(lowNow, Math.ceil(high / 2));
  const pressure = Math.max(pressureNow, low, Math.ceil((high * 2) / 3));
  return raiseTo(found, "net.ipv4.tcp_mem", [low, pressure, Math.max(high, pressure)]);
}

/** Listening ports are reserved before the range includes them. */
function widenPorts(found: Case): readonly Change[] {
  const range = found.read(PORT_RANGE);
  const reserved = found.read(RESERVED_PORTS);
  const [first, last] = parseNumbers(range) ?? [];
  if (range === undefined || first === undefined || last === undefined || reserved === undefined) {
    found.miss(reserved === undefined ? RESERVED_PORTS : PORT_RANGE);
    return [];
  }
  const plan = planPorts(found.facts, found.load, { first, last }, reserved, found.udpPorts);
  const why = explainPorts(plan, found.load);
  const changes: Change[] = [];
  if (plan.reserved !== undefined) {
    const limit = limitOf("ip-local-reserved-ports");
    changes.push(sysctl({ ...found, limit }, RESERVED_PORTS, reserved, plan.reserved, why.reserved));
  }
  if (plan.range !== undefined) {
    const limit = limitOf("ip-local-port-range");
    const change = sysctl({ ...found, limit }, PORT_RANGE, range, plan.range, why.range);
    changes.push(plan.reserved === undefined ? change : { ...change, requires: RESERVED_PORTS });
  }
  if (plan.missing > 0) {
    const limit = limitOf("source-ports");
    const from = limit.describe?.(found.facts, found.load);
    changes.push(advise({ ...found, limit }, { from, why: why.range, to: undefined }));
  }
  return changes;
}

function adviseMemory(found: Case): readonly Change[] {
  const { facts, load } = found;
  const { cgroupMemory: room, cgroupMemoryLimit: limit } = facts;
  if (!room || limit === undefined) return [advise(found)];
  const more = RUN_RESIDENT_BYTES + load.connections * chargedPerConnection(load);
  const bytes = limitFor(limit, limit - room.availableBytes + more);
  const mib = bytes / MIB;
  return [advise(found, { to: formatBytes(bytes), systemd: `MemoryMax=${mib}M`, container: `--memory ${mib}m` })];
}

function adviseHigh(found: Case): readonly Change[] {
  const room = found.facts.cgroupHigh;
  if (!room || found.row.needs === undefined) return [advise(found)];
  const more = Math.max(0, found.row.needs - room.availableBytes);
  return [
    advise(found, { to: `${formatBytes(more)} more`, how: "raise MemoryHigh= in the systemd unit by that amount" }),
  ];
}

/**
 * Returns the limit, in multiples of 64 MiB, under which a group can use `bytes` and keep its floor free. The floor
 * grows with the limit.
 */
function limitFor(present: number, bytes: number): number {
  const step = 64 * MIB;
  let limit = Math.ceil(Math.max(present, bytes) / step) * step;
  while (limit - floorOf(limit) < bytes) limit += step;
  return limit;
}

function adviseThreads(found: Case): readonly Change[] {
  const to = roundUp(found.row.needs ?? 0);
  return [advise(found, { to: formatCount(to), systemd: `TasksMax=${to}`, container: `--pids-limit ${to}` })];
}

function adviseBuckets(found: Case): readonly Change[] {
  const to = toPowerOfTwo(found.row.needs ?? 0);
  return [advise(found, { to: formatCount(to), how: `thash_entries=${to} on the kernel's command line` })];
}
