// Distributes connections among client workers: exact shares, threads started on demand, and one thread per core
// opening at a time.

import { KEPT_DESCRIPTORS } from "../../engine/threads/descriptor-reserve.js";
import { exactShare } from "../../util/share.js";

export interface ThreadLayout {
  readonly connections: number;
  readonly workers: number;
  /** Number of workers that open at the same time. */
  readonly active: number;
}

// With fewer connections than this, starting a second thread takes longer than it saves.
const CONNECTIONS_WORTH_A_THREAD = 1000;
// Descriptors taken by a starting thread for its event loop, its wake-up and the files it reads.
const DESCRIPTORS_PER_THREAD = 4;
const DESCRIPTORS_SPARE = 24;
// Measured in /proc. PRIVATE_OVERHEAD is what a private table holds besides connections and the descriptors it was
// copied with, including event loops of threads started in parallel. SHARED_PER_THREAD is what one thread takes in a
// shared table.
const PRIVATE_OVERHEAD = 13;
const SHARED_PER_THREAD = 4;

/**
 * @param tableSize size of one descriptor table (RLIMIT_NOFILE)
 * @param tableUsed descriptors in use before the first worker starts
 */
export function layOutThreads(connections: number, tableSize: number, tableUsed: number, cores: number): ThreadLayout {
  const free = tableSize - tableUsed - DESCRIPTORS_SPARE;
  if (free < DESCRIPTORS_PER_THREAD * 2) return { connections, workers: 1, active: 1 };
  let workers = Math.min(cores, Math.ceil(connections / CONNECTIONS_WORTH_A_THREAD));
  // Each thread's descriptors are copied into the tables of later threads, so more threads leave less room in each
  // table. If no number of threads suffices, use the number that holds the most connections; the run then reports
  // EMFILE.
  while (Math.ceil(connections / workers) > free - DESCRIPTORS_PER_THREAD * workers) {
    if (DESCRIPTORS_PER_THREAD * (workers + 1) * 2 > free) break;
    workers++;
  }
  return { connections, workers, active: Math.min(cores, workers) };
}

/**
 * Returns the maximum number of connections that any number of workers can hold in their descriptor tables.
 *
 * @param hasPrivateTables whether each thread has its own table rather than sharing one
 */
export function mostConnections(
  tableSize: number,
  tableUsed: number,
  hasPrivateTables: boolean,
  cores: number,
): number {
  if (tableSize === Number.POSITIVE_INFINITY) return tableSize;
  const free = Math.max(0, tableSize - tableUsed);
  if (!hasPrivateTables) return Math.max(0, free - KEPT_DESCRIPTORS - SHARED_PER_THREAD * cores);
  const { workers } = layOutThreads(Number.MAX_SAFE_INTEGER, tableSize, tableUsed, cores);
  return workers * Math.max(0, free - PRIVATE_OVERHEAD);
}

/** Returns the maximum number of connections for worker `index`. */
export function shareOf(layout: ThreadLayout, index: number): number {
  return exactShare(layout.connections, layout.workers, index);
}

/** Returns the number of connections of the workers before `index`. */
export function earlierOf(layout: ThreadLayout, index: number): number {
  let earlier = 0;
  for (let i = 0; i < index; i++) earlier += shareOf(layout, i);
  return earlier;
}

/**
 * Returns the target of worker `index` when the run wants `wanted` connections. Workers fill in waves. Within a wave
 * the connections are distributed evenly, and lower indices get the remainder.
 */
export function targetOf(layout: ThreadLayout, index: number, wanted: number): number {
  const wave = Math.floor(index / layout.active);
  const first = wave * layout.active;
  const members = Math.min(layout.active, layout.workers - first);
  const inWave = Math.max(0, wanted - earlierOf(layout, first));
  return Math.min(shareOf(layout, index), exactShare(inWave, members, index - first));
}
