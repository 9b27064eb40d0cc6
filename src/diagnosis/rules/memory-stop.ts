// Explains a run stopped by a shortage of memory, open files or epoll watches: names the limit of the host or of its cgroup.

import type { Finding } from "../../results/diagnosis.js";
import type { FileRoom, MemoryRoom, WatchRoom } from "../../results/evidence.js";
import { formatBytes, formatCount } from "../../util/units.js";

export const MORE_WATCHES = "raise fs.epoll.max_user_watches (sysctl), or use --engine uring, which needs none";

interface MemoryStop {
  readonly limit: "memory" | "cgroup-memory" | "cgroup-memory-high";
  /** Returns a clause such as `1.2 GiB was left in the cgroup`. */
  readonly left: string;
  readonly fix: string;
}

export function describeMemoryStop({ availableBytes, bound, limit }: MemoryRoom): MemoryStop {
  const left = `${formatBytes(Math.max(0, availableBytes))} was left`;
  if (bound === "host") return { limit: "memory", left: `${left} on the host`, fix: "add memory" };
  if (limit === "memory.high") {
    return {
      limit: "cgroup-memory-high",
      left: `${left} in the cgroup below memory.high, above which the kernel throttles it`,
      fix: "raise memory.high of the service or container (MemoryHigh=)",
    };
  }
  return {
    limit: "cgroup-memory",
    left: `${left} in the cgroup`,
    fix: "raise the memory limit of the container or service (--memory, MemoryMax=)",
  };
}

export function explainWatchStop({ watched, max, reserve }: WatchRoom): Finding {
  return {
    limit: "epoll-watches",
    whose: "local",
    meaning: `accepting paused before this user ran out of epoll watches; fourtuple leaves ${formatCount(reserve)} free`,
    fix: MORE_WATCHES,
    evidence: [
      `${formatCount(watched)} connections were watched at peak; fs.epoll.max_user_watches is ${formatCount(max)}`,
    ],
  };
}

export function explainFileStop({ open, max, reserve }: FileRoom, what: string): Finding {
  return {
    limit: "file-max",
    whose: "local",
    meaning: `${what} before the host ran out of open files: ${formatCount(Math.max(0, max - open))} were left; fourtuple leaves ${formatCount(reserve)} free`,
    fix: "raise fs.file-max",
    evidence: [
      `${formatCount(open)} of ${formatCount(max)} files are open on this host; at the limit, other programs fail with ENFILE`,
    ],
  };
}
