// The limit on locked memory, against which the uring engine's rings count. Nothing else in fourtuple locks memory.
import { lockedBytes } from "../../transport/choose-engine.js";
import { LARGEST_RING } from "../../transport/kernel-uring/ring-size.js";
import { formatBytes } from "../../util/units.js";
import type { HostFacts } from "../host-facts.js";
import type { Limit } from "../limit.js";
import { endsInRings, type Load } from "../load.js";

export const memlock: Limit = {
  id: "memlock",
  name: "RLIMIT_MEMLOCK",
  unit: "bytes",
  scope: "user",
  caps: "held",
  side: "both",
  source: "man 2 getrlimit, man 2 io_uring_setup (ENOMEM)",
  change:
    "ulimit -l, LimitMEMLOCK= in a systemd unit, memlock in /etc/security/limits.conf, --ulimit memlock= for a container; raised to the hard limit by each run",
  privilege: "CAP_SYS_RESOURCE",
  pitfall:
    "counted per user across all processes, so a client and a server run by one user share it; processes with CAP_IPC_LOCK are exempt",
  read: ({ memlockBytes }) => memlockBytes,
  describe: ({ memlockBytes }) =>
    memlockBytes === undefined || memlockBytes === Number.POSITIVE_INFINITY ? undefined : formatBytes(memlockBytes),
  allows: (facts, load) => {
    const { memlockBytes } = facts;
    const ends = endsInRings(load);
    if (ends === 0) return Number.POSITIVE_INFINITY;
    if (memlockBytes === undefined || memlockBytes === Number.POSITIVE_INFINITY) return memlockBytes;
    const each = ringOf(facts);
    const rings = Math.floor(memlockBytes / ends / lockedBytes({ ...each, connections: 1 }));
    // Every thread needs at least one ring.
    return rings < facts.cores ? 0 : rings * each.tableSize;
  },
  needs: (facts, load) => {
    // If `auto` chose epoll for lack of locked memory, report what io_uring requires, which leaves half of the limit to
    // other programs.
    const ends = isOutOfMemlock(load) ? 2 : endsInRings(load);
    if (ends === 0) return undefined;
    return ends * lockedBytes({ ...ringOf(facts), threads: facts.cores, connections: load.connections });
  },
  isLow: (_facts, load) => isOutOfMemlock(load),
};

function isOutOfMemlock({ program, engines }: Load): boolean {
  return program === "fourtuple" && engines.obstacle?.kind === "memlock";
}

function ringOf({ nofile }: HostFacts): { threads: number; tableSize: number } {
  return { threads: 1, tableSize: Math.min(nofile.hard, LARGEST_RING) };
}
