// What stopped a run before memory ran out, in words: the host's memory, or a limit of its cgroup.
import { formatBytes } from "../../base/units.js";
import type { MemoryRoom } from "../../engine/memory-floor.js";

interface MemoryStop {
  readonly limit: "memory" | "cgroup-memory" | "cgroup-memory-high";
  /** `1.2 GiB were left in the cgroup` */
  readonly left: string;
  readonly fix: string;
}

export function describeMemoryStop({ availableBytes, bound, limit }: MemoryRoom): MemoryStop {
  const left = `${formatBytes(Math.max(0, availableBytes))} were left`;
  if (bound === "host") return { limit: "memory", left: `${left} in the host`, fix: "add memory" };
  if (limit === "memory.high") {
    return {
      limit: "cgroup-memory-high",
      left: `${left} in the cgroup below memory.high, over which the kernel throttles its programs`,
      fix: "raise memory.high of the service or container (MemoryHigh=)",
    };
  }
  return {
    limit: "cgroup-memory",
    left: `${left} in the cgroup`,
    fix: "raise the memory limit of the container or service (--memory, MemoryMax=)",
  };
}
