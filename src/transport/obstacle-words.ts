// Describes why io_uring is unavailable: a reason phrased to continue a sentence, and a fix.
import type { EngineObstacle } from "../results/engine.js";
import { formatBound } from "../util/bound.js";
import { formatBytes } from "../util/units.js";

export interface ObstacleWords {
  /** Reason, such as `io_uring is disabled`. */
  readonly reason: string;
  readonly fix: string;
}

export function obstacleWords({ kind, errno, operations, memlockBytes, neededBytes }: EngineObstacle): ObstacleWords {
  switch (kind) {
    case "filter":
      return {
        reason: "seccomp or a security module blocks io_uring, as in most containers",
        fix: "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile (docker run --security-opt seccomp=FILE)",
      };
    case "disabled":
      return {
        reason: "io_uring is disabled (kernel.io_uring_disabled)",
        fix: "sysctl -w kernel.io_uring_disabled=0",
      };
    case "kernel":
      return {
        reason: "the kernel has no io_uring, or a sandbox hides it",
        fix: "use Linux 6.11 or newer, outside sandboxes such as gVisor",
      };
    case "operations":
      return {
        reason: `this kernel's io_uring lacks ${(operations ?? []).join(", ")}`,
        fix: "use Linux 6.11 or newer",
      };
    case "memlock": {
      const limit = memlockBytes === undefined ? "" : ` (${sizeOf(memlockBytes)})`;
      const needed = neededBytes === undefined ? "" : `: ${formatBytes(neededBytes)} are needed`;
      return {
        reason: `RLIMIT_MEMLOCK${limit} leaves too little for the rings${needed}`,
        fix: "raise it (ulimit -l, LimitMEMLOCK=, --ulimit memlock=), or grant CAP_IPC_LOCK",
      };
    }
    case "other":
      return {
        reason: `io_uring_setup() failed with ${errno ?? "an unknown error"}`,
        fix: "see man 2 io_uring_setup",
      };
  }
}

function sizeOf(bytes: number | "unlimited"): string {
  return bytes === "unlimited" ? formatBound(bytes) : formatBytes(bytes);
}
