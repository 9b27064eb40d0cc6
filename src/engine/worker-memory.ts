// What a worker and the main thread share: commands one way, counters and latencies the other. Each of
// them has one writer, its worker, so plain writes to aligned numbers are enough; the main thread reads them while they run.

import { ERRNO_LIMIT } from "../linux/syscalls/errno.js";
import { FIRST_CODE } from "../protocols/codes.js";
import { BUCKETS } from "../results/histogram/buckets.js";
import { Histogram } from "../results/histogram/histogram.js";
import { STEPS } from "../util/steps.js";

/** What the main thread tells a worker. */
export const COMMAND = {
  run: 0,
  /** Close every connection, report, end. */
  stop: 1,
  /** End at once and leave the closing to the kernel. */
  abort: 2,
} as const;

/** A client worker's target that leaves everything as it is: none is opened and none is closed. */
export const TARGET_AS_IT_IS = -1;

/** Words of the control block. */
export const CONTROL = {
  command: 0,
  /** Roles' own: how many connections a client worker is to have; whether a server worker is to pause, a client's to send no more. */
  target: 1,
  paused: 2,
  /** How many texts of a single connection the main thread has received: a client worker does not run ahead of it. */
  receivedTexts: 3,
} as const;

const CONTROL_WORDS = 16;
const FAILURES = STEPS.length * ERRNO_LIMIT;
/** The layout's two words stand behind the control block, so that whoever wraps the buffer needs no more than it. */
const LAYOUT_AT = CONTROL_WORDS * 4;
const FAILURES_AT = LAYOUT_AT + 8;
/** Kinds of refusals told apart, by step and code: what comes after them is counted as the last of them. */
const REFUSALS = 64;
/** Steps are apart by this much in a refusal's key. */
const KEY_STEP = 2 ** 20;
const AT_ONCE_AT = FAILURES_AT + FAILURES * 8;
const REFUSALS_AT = AT_ONCE_AT + ERRNO_LIMIT * 8;
const COUNTERS_AT = REFUSALS_AT + 2 * REFUSALS * 8;

/** How many a role's workers have of each (engine/metrics.ts). */
export interface MemoryLayout {
  readonly counters: number;
  readonly histograms: number;
}

/** One worker's shared memory; made by the main thread, wrapped again around the same buffer by the worker. */
export class WorkerMemory {
  readonly buffer: SharedArrayBuffer;
  readonly control: Int32Array;
  /** By the places of the role's metrics (engine/metrics.ts), and no longer than these. */
  readonly counters: Float64Array;
  /** By the places of the role's histograms. */
  readonly histograms: readonly Histogram[];
  private readonly failureCounts: Float64Array;
  private readonly atOnceCounts: Float64Array;
  /** The key and the count of each kind; a key of 0 is free. */
  private readonly refusalCounts: Float64Array;

  /** @param of what the role has, or the memory of another wrapper */
  constructor(of: MemoryLayout | SharedArrayBuffer) {
    const buffer = of instanceof SharedArrayBuffer ? of : allocate(of);
    const [counters = 0, histograms = 0] = new Int32Array(buffer, LAYOUT_AT, 2);
    this.buffer = buffer;
    this.control = new Int32Array(buffer, 0, CONTROL_WORDS);
    this.failureCounts = new Float64Array(buffer, FAILURES_AT, FAILURES);
    this.atOnceCounts = new Float64Array(buffer, AT_ONCE_AT, ERRNO_LIMIT);
    this.refusalCounts = new Float64Array(buffer, REFUSALS_AT, 2 * REFUSALS);
    this.counters = new Float64Array(buffer, COUNTERS_AT, counters);
    this.histograms = Array.from(
      { length: histograms },
      (_, place) => new Histogram(new Float64Array(buffer, COUNTERS_AT + (counters + place * BUCKETS) * 8, BUCKETS)),
    );
  }

  /** Counts one failure. @param errno positive; or a code by which a protocol refuses (protocols/codes.ts) */
  countFailure(phase: number, errno: number): void {
    if (errno >= FIRST_CODE) this.countRefusal(phase * KEY_STEP + errno);
    else this.failureCounts[phase * ERRNO_LIMIT + (errno < ERRNO_LIMIT ? errno : 0)]! += 1;
  }

  /** Counts a failure that connect() itself returned: this host's own answer, where others come later. @param errno positive */
  countAtOnce(errno: number): void {
    this.atOnceCounts[errno < ERRNO_LIMIT ? errno : 0]! += 1;
  }

  failedAtOnce(errno: number): number {
    return this.atOnceCounts[errno]!;
  }

  failures(phase: number, errno: number): number {
    return this.failureCounts[phase * ERRNO_LIMIT + errno]!;
  }

  /** What protocols have refused by, each kind once. */
  refusals(): { readonly phase: number; readonly code: number; readonly count: number }[] {
    const found = [];
    for (let at = 0; at < 2 * REFUSALS && this.refusalCounts[at] !== 0; at += 2) {
      const key = this.refusalCounts[at]!;
      found.push({ phase: Math.floor(key / KEY_STEP), code: key % KEY_STEP, count: this.refusalCounts[at + 1]! });
    }
    return found;
  }

  private countRefusal(key: number): void {
    const { refusalCounts } = this;
    const last = 2 * (REFUSALS - 1);
    let at = 0;
    while (at < last && refusalCounts[at] !== key && refusalCounts[at] !== 0) at += 2;
    if (refusalCounts[at] === 0) refusalCounts[at] = key;
    refusalCounts[at + 1]! += 1;
  }
}

function allocate({ counters, histograms }: MemoryLayout): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(COUNTERS_AT + (counters + histograms * BUCKETS) * 8);
  new Int32Array(buffer, LAYOUT_AT, 2).set([counters, histograms]);
  return buffer;
}

/** The sum of counter number `index` over all workers. */
export function sumCounter(memories: readonly WorkerMemory[], index: number): number {
  return memories.reduce((sum, memory) => sum + memory.counters[index]!, 0);
}
