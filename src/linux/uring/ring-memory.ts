// A ring's memory as typed arrays: regions mapped from the kernel, and memory of this process that the kernel reads.
import { CQE, GETEVENTS_ARG, OFFSET_SQES, PARAMS, SQE } from "./abi.js";
import { type NativeMemory, writeAddress } from "./native-memory.js";
import type { NewRing } from "./setup.js";

/** Size of a sockaddr in words. Each entry has one, which bind() and connect() read on submission. */
export const SOCKADDR_WORDS = 8;
/** Index of the timeout in `wait`, right after the argument that points to it. */
export const TIMESPEC_WORD = GETEVENTS_ARG.bytes / 4;
const WAIT_BYTES = 64;

export interface RingMemory {
  /** Heads, tails, flags and completions. */
  readonly queue: Int32Array;
  readonly entries: Int32Array;
  /** A struct io_uring_getevents_arg, followed by the timeout that it points to. */
  readonly wait: Int32Array;
  readonly waitAddress: number;
  readonly sockaddrs: Int32Array;
  readonly sockaddrBase: number;
}

/**
 * Maps a new ring. `memory` owns the mappings.
 * @returns a negative errno if the system is out of memory
 */
export function mapRing({ fd, params }: NewRing, memory: NativeMemory): RingMemory | number {
  const sqEntries = params.readUInt32LE(PARAMS.sqEntries);
  const sqArray = params.readUInt32LE(PARAMS.sqArray);
  const cqesEnd = params.readUInt32LE(PARAMS.cqes) + params.readUInt32LE(PARAMS.cqEntries) * CQE.words * 4;
  const queue = memory.mapRing(fd, Math.max(sqArray + sqEntries * 4, cqesEnd), 0);
  if (typeof queue === "number") return queue;
  const entries = memory.mapRing(fd, sqEntries * SQE.words * 4, OFFSET_SQES);
  if (typeof entries === "number") return entries;
  const own = memory.allocate(WAIT_BYTES + sqEntries * SOCKADDR_WORDS * 4);
  if (typeof own === "number") return own;
  const words = new Int32Array(queue.buffer);
  // Element i of the array always refers to entry i.
  for (let i = 0; i < sqEntries; i++) words[sqArray / 4 + i] = i;
  const wait = new Int32Array(own.buffer, 0, WAIT_BYTES / 4);
  writeAddress(wait, GETEVENTS_ARG.timespec / 4, own.address + TIMESPEC_WORD * 4);
  return {
    queue: words,
    entries: new Int32Array(entries.buffer),
    wait,
    waitAddress: own.address,
    sockaddrs: new Int32Array(own.buffer, WAIT_BYTES),
    sockaddrBase: own.address + WAIT_BYTES,
  };
}
