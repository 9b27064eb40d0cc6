// Describes the host in results, so that results from different hosts can be compared.

import { arch, availableParallelism, cpus, release, totalmem } from "node:os";
import type { HostDescription } from "../../results/fields.js";
import { toBound } from "../../util/bound.js";
import { readNofileLimit } from "../syscalls/rlimit.js";

export function describeHost(): HostDescription {
  return {
    kernel: `Linux ${release()}`,
    arch: arch(),
    node: process.versions.node,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    nofileLimit: toBound(readNofileLimit().hard),
  };
}
