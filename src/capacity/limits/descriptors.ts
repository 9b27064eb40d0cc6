// Limits on open files (per descriptor table and per host), on epoll watches per user, and on threads, which may have
// descriptor tables of their own.

import { mostConnections } from "../../client/ramp/thread-layout.js";
import { maxWatchesFor, watchReserve } from "../../engine/epoll-watches.js";
import { fileMaxFor, fileReserve } from "../../engine/open-files-reserve.js";
import { formatCount } from "../../util/units.js";
import type { HostFacts } from "../host-facts.js";
import { type Limit, usageOf } from "../limit.js";
import { endsHere, endsInRings, type Load } from "../load.js";

/**
 * Descriptors of a fourtuple process in addition to its connections, such as event loops, wake-ups and the listener.
 */
const SPARE = 64;

export const nofile: Limit = {
  id: "nofile",
  name: "RLIMIT_NOFILE",
  unit: "descriptors",
  scope: "table",
  caps: "held",
  side: "both",
  source: "man 2 getrlimit, man 2 unshare (CLONE_FILES)",
  change:
    "ulimit -n, LimitNOFILE= in a systemd unit, --ulimit nofile= for a container; raised to the hard limit by each run",
  privilege: "CAP_SYS_RESOURCE",
  pitfall: "limits one descriptor table, not a process: threads with private tables multiply the limit",
  read: ({ nofile: { hard } }) => hard,
  describe: (facts, load) => {
    const { soft, hard } = facts.nofile;
    const { canPark, canUnshare } = tablesFor(facts, load);
    return `${soft === hard ? formatLimit(hard) : `${formatLimit(soft)} soft, ${formatLimit(hard)} hard`}${
      endsHere(load) === 0
        ? ", none needed"
        : isInRings(load)
          ? ", sockets in rings take none"
          : canPark
            ? ", sockets can be parked"
            : canUnshare
              ? ", private tables allowed"
              : ", one table"
    }`;
  },
  allows: (facts, load) => ownTables(facts, load),
  needs: (facts, load) =>
    ownTables(facts, load) >= load.connections && facts.nofile.hard !== 0 ? undefined : load.connections + SPARE,
};

export const nrOpen: Limit = {
  id: "nr-open",
  name: "fs.nr_open",
  unit: "descriptors",
  scope: "host",
  caps: "held",
  side: "both",
  source: "Linux admin-guide/sysctl/fs.rst, nr_open",
  change: "sysctl fs.nr_open",
  privilege: "CAP_SYS_ADMIN",
  pitfall: "RLIMIT_NOFILE cannot be raised above this value, not even by root: a higher value is refused",
  sysctl: "fs.nr_open",
  read: ({ nrOpen: value }) => value,
  // fs.nr_open only caps RLIMIT_NOFILE, which is the limit in effect. The cap is irrelevant if RLIMIT_NOFILE suffices
  // or if every thread has its own table.
  allows: (facts, load) => {
    if (facts.nrOpen === undefined) return undefined;
    return (nofile.allows!(facts, load) ?? 0) >= load.connections ? Number.POSITIVE_INFINITY : facts.nrOpen;
  },
  needs: (facts, load) => nofile.needs(facts, load),
};

export const fileMax: Limit = {
  id: "file-max",
  name: "fs.file-max",
  unit: "descriptors",
  scope: "host",
  caps: "held",
  side: "both",
  source: "Linux admin-guide/sysctl/fs.rst, file-max and file-nr",
  change: "sysctl fs.file-max",
  privilege: "CAP_SYS_ADMIN",
  pitfall:
    "ENFILE, not EMFILE, means the whole host is out of open files; processes with CAP_SYS_ADMIN are exempt, all others fail",
  sysctl: "fs.file-max",
  read: ({ fileMax: value }) => value,
  usage: ({ filesOpen, fileMax: max }) => usageOf(filesOpen, max),
  describe: ({ fileMax: max }) =>
    max === undefined || max === Number.POSITIVE_INFINITY
      ? undefined
      : `${formatLimit(max)}, ${formatCount(fileReserve(max))} kept free`,
  // A process with CAP_SYS_ADMIN may exceed fs.file-max, but every other program on the host then fails to open files,
  // so apply the limit regardless.
  allows: ({ fileMax: max, filesOpen }, load) =>
    max === undefined || filesOpen === undefined
      ? undefined
      : max === Number.POSITIVE_INFINITY
        ? max
        : Math.max(0, Math.floor((max - fileReserve(max) - filesOpen) / endsHere(load))),
  needs: ({ filesOpen = 0 }, load) =>
    endsHere(load) === 0 ? undefined : fileMaxFor(filesOpen + load.connections * endsHere(load) + SPARE),
};

export const epollWatches: Limit = {
  id: "epoll-watches",
  name: "fs.epoll.max_user_watches",
  unit: "descriptors",
  scope: "user",
  caps: "held",
  side: "both",
  source: "man 7 epoll",
  change: "sysctl fs.epoll.max_user_watches",
  privilege: "CAP_SYS_ADMIN",
  pitfall:
    "counted per user across all processes, so a client and a server run by one user share it; ENOSPC when used up",
  sysctl: "fs.epoll.max_user_watches",
  read: ({ epollWatches: value }) => value,
  describe: ({ epollWatches: max, uid }, load) =>
    max === undefined || load.program !== "fourtuple" || watchedEnds(uid, load) === 0
      ? undefined
      : `${formatLimit(max)}, ${formatCount(watchReserve(max))} kept free`,
  allows: ({ epollWatches: max, uid }, load) => {
    const ends = watchedEnds(uid, load);
    if (ends === 0) return Number.POSITIVE_INFINITY;
    if (max === undefined) return undefined;
    const reserve = load.program === "fourtuple" ? watchReserve(max) : 0;
    return Math.floor((max - reserve) / ends);
  },
  needs: ({ uid }, load) => {
    const ends = watchedEnds(uid, load);
    const watches = load.connections * ends + SPARE;
    return ends === 0 ? undefined : load.program === "fourtuple" ? maxWatchesFor(watches) : watches;
  },
};

export const threadsMax: Limit = {
  ...threads("threads-max", "kernel.threads-max", "host", ({ threadsMax: max }) => max),
  usage: ({ threadsNow, threadsMax: max }) => usageOf(threadsNow, max),
};

/** Number of threads that Node creates in a run, in addition to those that open connections. */
const RUN_THREADS = 12;

const pids = threads("cgroup-pids", "pids.max", "cgroup", ({ cgroupPids: group, hides }) =>
  hides.cgroupPids ? undefined : (group?.limit ?? Number.POSITIVE_INFINITY),
);

export const cgroupPids: Limit = {
  ...pids,
  usage: ({ cgroupPids: group }) => group && { used: group.used, of: group.limit },
  describe: ({ cgroupPids: group }) =>
    group && `${formatCount(group.limit)}, ${formatCount(Math.max(0, group.limit - group.used))} left`,
  allows: (facts, load) => {
    const { cgroupPids: group, cores } = facts;
    if (group && group.limit - group.used < cores + RUN_THREADS) return 0;
    return pids.allows!(facts, load);
  },
  needs: (facts, load) => {
    const { cgroupPids: group, cores } = facts;
    const tables = pids.needs(facts, load);
    if (!group || (tables === undefined && group.limit - group.used >= cores + RUN_THREADS)) return tables;
    return group.used + cores + RUN_THREADS + (tables ?? 0);
  },
  source: "Linux admin-guide/cgroup-v2.rst, pids.max",
  change: "TasksMax= in a systemd unit, --pids-limit for a container",
  privilege: "administrator",
};

/** Limit on the number of threads. This limit matters only if each thread has its own descriptor table. */
function threads(id: string, name: string, scope: Limit["scope"], read: Limit["read"]): Limit {
  const needed = (facts: HostFacts, load: Load) => {
    const { canPark, canUnshare } = tablesFor(facts, load);
    if (canPark || !canUnshare) return undefined;
    return Math.ceil(load.connections / Math.max(1, facts.nofile.hard - SPARE));
  };
  return {
    id,
    name,
    unit: "threads",
    scope,
    caps: "held",
    side: "both",
    source: "Linux admin-guide/sysctl/kernel.rst, threads-max",
    change: `sysctl ${name}`,
    privilege: "CAP_SYS_ADMIN",
    pitfall: "matters for threads with private descriptor tables, and for servers with one thread per connection",
    ...(name.startsWith("kernel.") && { sysctl: name }),
    read,
    allows: (facts, load) => {
      if (needed(facts, load) === undefined) return Number.POSITIVE_INFINITY;
      const max = read(facts, load);
      return max === undefined ? undefined : max * facts.nofile.hard;
    },
    needs: needed,
  };
}

/** Returns the ways around a single descriptor table that a program can use. An ordinary program uses neither. */
function tablesFor({ canPark, canUnshare }: HostFacts, load: Load): { canPark: boolean; canUnshare: boolean } {
  if (load.program !== "fourtuple") return { canPark: false, canUnshare: false };
  return { canPark: canPark || isInRings(load), canUnshare };
}

/** Returns how many connections fit into the descriptor tables of a process. */
function ownTables(facts: HostFacts, load: Load): number {
  const { openDescriptors, cores } = facts;
  const { hard } = facts.nofile;
  const { canPark, canUnshare } = tablesFor(facts, load);
  if (canPark || endsHere(load) === 0 || hard === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  return mostConnections(hard, openDescriptors, canUnshare, cores);
}

/** Returns how many ends of a connection count against this user's epoll watches. */
function watchedEnds(uid: number, load: Load): number {
  const serverUid = load.peer?.listeners[0]?.uid;
  const ends = serverUid !== undefined && serverUid !== uid ? 1 : endsHere(load);
  return Math.max(0, ends - endsInRings(load));
}

/** Returns whether io_uring holds every end of this load's connections. */
function isInRings(load: Load): boolean {
  return endsInRings(load) === endsHere(load);
}

const formatLimit = (value: number) => (value === Number.POSITIVE_INFINITY ? "unlimited" : formatCount(value));
