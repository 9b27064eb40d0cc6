// Answers what-if questions by replacing hardware in the host's facts, such as 128 GiB of memory or 32 cores.
import { floorOf } from "../engine/memory-floor.js";
import type { HostFacts } from "./host-facts.js";

/** Hypothetical hardware. Each value that is given replaces the real one. */
export interface WhatIf {
  readonly memoryBytes?: number | undefined;
  readonly cores?: number | undefined;
  /** RLIMIT_NOFILE of a process, both soft and hard. */
  readonly nofile?: number | undefined;
}

/**
 * Returns the facts of the same host with other hardware. Settings that the kernel derives from the memory size at boot
 * are scaled; all others are assumed to be unchanged.
 */
export function imagine(facts: HostFacts, { memoryBytes, cores, nofile }: WhatIf): HostFacts {
  // If the real memory size is unknown, so are the scaled values.
  const scaling = memoryBytes === undefined ? 1 : facts.memoryBytes && memoryBytes / facts.memoryBytes;
  const scale = (value: number | undefined) =>
    value === undefined || scaling === undefined ? undefined : Math.floor(value * scaling);
  const tcpMem = facts.tcpMem?.map(scale).filter((pages) => pages !== undefined);
  return {
    ...facts,
    fileMax: scale(facts.fileMax),
    epollWatches: scale(facts.epollWatches),
    tcpMem: tcpMem?.length === facts.tcpMem?.length ? tcpMem : undefined,
    threadsMax: scale(facts.threadsMax),
    ...(cores !== undefined && { cores, cpus: cores }),
    ...(nofile !== undefined && {
      nofile: { soft: nofile, hard: nofile },
      softAtStart: undefined,
      nrOpen: Math.max(nofile, facts.nrOpen ?? 0),
    }),
    // Assume an idle machine of that size, to which this host's cgroup does not apply.
    ...(memoryBytes !== undefined && {
      memoryBytes,
      memory: roomOf(memoryBytes),
      cgroupMemory: undefined,
      cgroupHigh: undefined,
      cgroupTcpMemory: undefined,
      hides: { ...facts.hides, cgroupMemory: false },
    }),
  };
}

/** Returns whether any hypothetical value is given. */
export function isWhatIf({ memoryBytes, cores, nofile }: WhatIf): boolean {
  return memoryBytes !== undefined || cores !== undefined || nofile !== undefined;
}

function roomOf(totalBytes: number): HostFacts["memory"] {
  return { bound: "host", availableBytes: totalBytes, floorBytes: floorOf(totalBytes) };
}
