// The host in words and figures, for results: what they would have to be compared with elsewhere.
import { arch, availableParallelism, cpus, release, totalmem } from "node:os";
import { readNofileLimit } from "../syscalls/rlimit.js";

export interface HostDescription {
  /** Such as `Linux 6.12.0`. */
  readonly kernel: string;
  readonly arch: string;
  /** Node's version. */
  readonly node: string;
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** The hard RLIMIT_NOFILE: descriptors in one table. */
  readonly nofileLimit: number;
}

export function describeHost(): HostDescription {
  return {
    kernel: `Linux ${release()}`,
    arch: arch(),
    node: process.versions.node,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    nofileLimit: readNofileLimit().hard,
  };
}
