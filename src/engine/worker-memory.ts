// Memory shared by a worker and the main thread: commands in one direction, counters and latencies in the other. Only
// the worker writes counters, so plain writes to aligned numbers suffice; the main thread reads them concurrently.

import { ERRNO_LIMIT } from "../linux/syscalls/errno.js";
import { FIRST_CODE } from "../protocols/codes.js";
import { BUCKETS } from "../results/histogram/buckets.js";
import { Histogram } from "../results/histogram/histogram.js";
import { STEPS } from "../util/steps.js";

/** Commands from the main thread to a worker. */
export const COMMAND = {
  run: 0,
  /** Tells the worker to close all connections, report, and end. */
  stop: 1,
  /** Tells the worker to end at once and let the kernel close the connections. */
  abort: 2,
} as const;

/** Target that makes a client worker neither open nor close connections. */
export const TARGET_AS_IT_IS = -1;

/** Indexes of the words of the control block. */
export const CONTROL = {
  command: 0,
  /**
   * A role-specific word: a client worker's target number of connections; whether a server worker is paused, or a
   * client worker must stop sending.
   */
  target: 1,
  paused: 2,
  /**
   * Number of texts of a single connection received by the main thread. A client worker waits for the main thread to
   * catch up.
   */
  receivedTexts: 3,
  /**
   * Number of times that the main thread has asked a client worker at the end of a run about published messages. The
   * first time, it asks which messages each connection has published, and then how many have not arrived.
   */
  deliveryAudit: 4,
  /** First of the words that identify the script handler being run (protocols/scripted/host.ts). */
  call: 5,
} as const;

const CONTROL_WORDS = 16;
const FAILURES = STEPS.length * ERRNO_LIMIT;
/** The layout is stored after the control block, so that a WorkerMemory can be built from the buffer alone. */
const LAYOUT_AT = CONTROL_WORDS * 4;
const FAILURES_AT = LAYOUT_AT + 8;
/** Maximum number of distinct refusals by step and code. Any further refusals are counted under the last one. */
const REFUSALS = 64;
/** Multiplier of the step in a refusal's key. */
const KEY_STEP = 2 ** 20;
const AT_ONCE_AT = FAILURES_AT + FAILURES * 8;
const REFUSALS_AT = AT_ONCE_AT + ERRNO_LIMIT * 8;
const COUNTERS_AT = REFUSALS_AT + 2 * REFUSALS * 8;

/** Number of counters and histograms of a role's workers (engine/metrics.ts). */
export interface MemoryLayout {
  readonly counters: number;
  readonly histograms: number;
}

/** Shared memory of one worker. The main thread allocates the memory, and the worker wraps the same buffer. */
export class WorkerMemory {
  readonly buffer: SharedArrayBuffer;
  readonly control: Int32Array;
  /** Indexed by the role's metrics (engine/metrics.ts). */
  readonly counters: Float64Array;
  /** Indexed by the role's histograms. */
  readonly histograms: readonly Histogram[];
  private readonly failureCounts: Float64Array;
  private readonly atOnceCounts: Float64Array;
  /** Key and count of each kind of refusal; a key of 0 marks a free entry. */
  private readonly refusalCounts: Float64Array;

  /** @param of the layout for new memory, or the buffer of another wrapper */
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

  /**
   * Counts a failure.
   * @param errno positive errno, or a protocol's refusal code (protocols/codes.ts)
   */
  countFailure(phase: number, errno: number): void {
    if (errno >= FIRST_CODE) this.countRefusal(phase * KEY_STEP + errno);
    else this.failureCounts[phase * ERRNO_LIMIT + (errno < ERRNO_LIMIT ? errno : 0)]! += 1;
  }

  /**
   * Counts an error returned by connect() itself, which comes from this host rather than the network.
   * @param errno positive
   */
  countAtOnce(errno: number): void {
    this.atOnceCounts[errno < ERRNO_LIMIT ? errno : 0]! += 1;
  }

  failedAtOnce(errno: number): number {
    return this.atOnceCounts[errno]!;
  }

  failures(phase: number, errno: number): number {
    return this.failureCounts[phase * ERRNO_LIMIT + errno]!;
  }

  /** Returns the protocol refusals, one entry per kind. */
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

/** Returns the sum of counter `index` over all workers. */
export function sumCounter(memories: readonly WorkerMemory[], index: number): number {
  return memories.reduce((sum, memory) => sum + memory.counters[index]!, 0);
}
