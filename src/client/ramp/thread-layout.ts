// How many connections each client worker is to have: exact shares, threads started as they are needed, and as many
// threads opening at once as there are cores.

import { KEPT_DESCRIPTORS } from "../../engine/threads/descriptor-reserve.js";
import { exactShare } from "../../util/share.js";

export interface ThreadLayout {
  readonly connections: number;
  readonly workers: number;
  /** Workers that open at the same time. */
  readonly active: number;
}

// Below this, a second thread costs more time than it saves.
const CONNECTIONS_WORTH_A_THREAD = 1000;
// What a thread's start takes of a descriptor table: its event loop, its wake-up, files it reads.
const DESCRIPTORS_PER_THREAD = 4;
const DESCRIPTORS_SPARE = 24;
// Counted in /proc: what a private table has beside connections and what it was copied from, some loops of threads that
// start side by side included; and what a thread takes of a table that all share.
const PRIVATE_OVERHEAD = 13;
const SHARED_PER_THREAD = 4;

/**
 * @param tableSize descriptors in one table (RLIMIT_NOFILE)
 * @param tableUsed descriptors in use before the first worker starts
 */
export function layOutThreads(connections: number, tableSize: number, tableUsed: number, cores: number): ThreadLayout {
  const free = tableSize - tableUsed - DESCRIPTORS_SPARE;
  if (free < DESCRIPTORS_PER_THREAD * 2) return { connections, workers: 1, active: 1 };
  let workers = Math.min(cores, Math.ceil(connections / CONNECTIONS_WORTH_A_THREAD));
  // Each thread's own descriptors are in every later thread's table: more threads leave less room in each. Where no
  // number is enough the run begins all the same, with as many as still add room, and EMFILE tells.
  while (Math.ceil(connections / workers) > free - DESCRIPTORS_PER_THREAD * workers) {
    if (DESCRIPTORS_PER_THREAD * (workers + 1) * 2 > free) break;
    workers++;
  }
  return { connections, workers, active: Math.min(cores, workers) };
}

/**
 * The most connections that any number of workers can hold in their descriptor tables.
 *
 * @param hasPrivateTables each thread has a table of its own; else all share one
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

/** The most connections worker `index` will ever have. */
export function shareOf(layout: ThreadLayout, index: number): number {
  return exactShare(layout.connections, layout.workers, index);
}

/**
 * How many connections worker `index` is to have when the run wants `wanted` in all. Workers fill wave by wave, the
 * members of a wave evenly; those with an earlier number get the odd one.
 */
export function targetOf(layout: ThreadLayout, index: number, wanted: number): number {
  const wave = Math.floor(index / layout.active);
  const first = wave * layout.active;
  const members = Math.min(layout.active, layout.workers - first);
  let before = 0;
  for (let i = 0; i < first; i++) before += shareOf(layout, i);
  const inWave = Math.max(0, wanted - before);
  return Math.min(shareOf(layout, index), exactShare(inWave, members, index - first));
}
