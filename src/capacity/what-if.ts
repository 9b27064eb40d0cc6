// The same host with other hardware: what the questions "and with 128 GiB, 32 cores?" are answered by.
import { floorOf } from "../engine/memory-stop.js";
import type { HostFacts } from "./host-facts.js";

/** Other hardware than this: what is given replaces what is here. */
export interface WhatIf {
  readonly memoryBytes?: number | undefined;
  readonly cores?: number | undefined;
  /** Soft and hard RLIMIT_NOFILE of a process. */
  readonly nofile?: number | undefined;
}

/**
 * The same host with other hardware. Settings that the kernel derives from memory when it starts grow with it; all others are
 * taken to be the same there.
 */
export function imagine(facts: HostFacts, { memoryBytes, cores, nofile }: WhatIf): HostFacts {
  // Nobody knows what grows how far where this host's own memory cannot be read.
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
    // A machine of that size with nothing on it: another one's cgroup says nothing about it.
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

/** Whether other hardware is asked about. */
export function isWhatIf({ memoryBytes, cores, nofile }: WhatIf): boolean {
  return memoryBytes !== undefined || cores !== undefined || nofile !== undefined;
}

function roomOf(totalBytes: number): HostFacts["memory"] {
  return { bound: "host", availableBytes: totalBytes, floorBytes: floorOf(totalBytes) };
}
