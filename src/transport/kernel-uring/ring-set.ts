// The rings of one worker. RLIMIT_NOFILE limits the number of files per ring, so there are as many rings as the
// connections need. The worker waits in one of the rings, usually the newest. When another ring has work, it signals
// the worker's wake-up descriptor, which the main ring polls. Entering a ring posts its completions.
import { EPOLLIN } from "../../linux/syscalls/constants.js";
import { ECANCELED, errnoName } from "../../linux/syscalls/errno.js";
import { drain } from "../../linux/syscalls/eventfd.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { registerFiles } from "../../linux/uring/direct-files.js";
import { pushCancel, pushPollDescriptor } from "../../linux/uring/entries.js";
import { ProvidedBuffers } from "../../linux/uring/provided-buffers.js";
import { Ring } from "../../linux/uring/ring.js";
import { registerEventfd, unregisterEventfd } from "../../linux/uring/ring-eventfd.js";
import { AppError } from "../../util/errors.js";
import { BUFFERS, COMPLETIONS, ENTRIES } from "./ring-size.js";
import { kindOf, TAG } from "./tags.js";

/** Size of the rings' buffers. */
export const BUFFER_BYTES = 256;
/**
 * Maximum number of attempts to make room by submitting entries. The kernel consumes all entries unless the system is
 * short of memory.
 */
const ATTEMPTS = 8;
const NO_SLOT = -1;
/** The ID of a ring's only group of buffers. */
export const BUFFER_GROUP = 0;

/** A ring with its files and buffers. */
export interface RingUnit {
  readonly ring: Ring;
  /** Slot of the ring's first file. */
  readonly firstSlot: number;
  readonly buffers: ProvidedBuffers;
  /** Number of files in use, if the kernel chooses their indices. */
  used: number;
  /** Number of accepts in flight, each of which takes a file. */
  accepting: number;
}

/** A ring that the worker has not adopted yet. */
type SpareRing = Pick<RingUnit, "ring" | "buffers">;

export class RingSet {
  readonly units: RingUnit[] = [];
  /** Number of slots provided by all rings. */
  capacity = 0;
  /** Number of files in each ring. */
  readonly filesEach: number;
  private readonly spare: SpareRing[] = [];
  private waiting: RingUnit | undefined;
  private readonly wakeFd: number;

  constructor(filesEach: number, wakeFd: number) {
    this.filesEach = filesEach;
    this.wakeFd = wakeFd;
  }

  /** The ring that the worker waits in. */
  get main(): RingUnit {
    return this.waiting!;
  }

  unitOf(slot: number): RingUnit {
    return this.units[Math.floor(slot / this.filesEach)]!;
  }

  /**
   * Adds a ring and makes it the one to wait in.
   * @returns 0 or a negative errno
   */
  add(): number {
    const opened = this.spare.pop() ?? this.open();
    if (typeof opened === "number") return opened;
    const { ring, buffers } = opened;
    const unit = { ring, firstSlot: this.capacity, buffers, used: 0, accepting: 0 };
    const unwatched = this.waitIn(unit);
    if (unwatched < 0) {
      ring.close();
      buffers.release();
      return unwatched;
    }
    this.units.push(unit);
    this.capacity += this.filesEach;
    return 0;
  }

  /**
   * Opens rings in advance, so that a lack of memory shows before the first connection.
   *
   * @param slots number of slots to provide without opening more rings
   * @returns 0 or a negative errno
   */
  prepare(slots: number): number {
    while (this.capacity + this.spare.length * this.filesEach < slots) {
      const opened = this.open();
      if (typeof opened === "number") return opened;
      this.spare.push(opened);
    }
    return 0;
  }

  private open(): SpareRing | number {
    const ring = Ring.open({ entries: ENTRIES, completions: COMPLETIONS });
    if (typeof ring === "number") return ring;
    const failed = registerFiles(ring, this.filesEach);
    const buffers = failed || ProvidedBuffers.register(ring, BUFFERS, BUFFER_BYTES, BUFFER_GROUP);
    if (typeof buffers !== "number") return { ring, buffers };
    ring.close();
    return buffers;
  }

  /**
   * Makes the worker wait in `unit`.
   * @returns 0, or a negative errno, in which case the worker waits where it did before
   */
  waitIn(unit: RingUnit): number {
    const before = this.waiting;
    const failed = before ? registerEventfd(before.ring, this.wakeFd) : 0;
    if (failed < 0) return failed;
    if (before) {
      // Submitting this entry also runs work that arrived before the ring started signalling.
      this.reserve(before, 1);
      pushCancel(before.ring, NO_SLOT, TAG.wakeUp, SQE_FLAG.skipSuccess, NO_SLOT, TAG.ignored);
      unregisterEventfd(unit.ring);
    }
    this.waiting = unit;
    this.watchWakeUp();
    return 0;
  }

  /** Polls the wake-up descriptor. The poll must be repeated after each wake-up. */
  private watchWakeUp(): void {
    const { main } = this;
    this.reserve(main, 1);
    pushPollDescriptor(main.ring, this.wakeFd, EPOLLIN, NO_SLOT, TAG.wakeUp);
  }

  /** Submits pending entries in all rings, then waits on the main ring unless completions are already available. */
  enter(waitMs: number): void {
    const { units, main } = this;
    let isIdle = main.ring.ready === 0;
    if (units.length > 1) {
      for (const unit of units) {
        if (unit === main) continue;
        const { ring } = unit;
        // A ring that already has work does not signal again.
        if (ring.pending > 0 || ring.hasWork) this.enterOne(unit, 0, 0);
        if (ring.ready > 0 || ring.hasWork) isIdle = false;
      }
    }
    if (!isIdle || waitMs === 0) this.enterOne(main, 0, 0);
    else this.enterOne(main, 1, waitMs === Number.POSITIVE_INFINITY ? -1 : waitMs);
  }

  /**
   * @param least number of completions to wait for
   * @throws {AppError} E_SYSTEM if the kernel accepts no more entries
   */
  enterOne(unit: RingUnit, least: number, waitMs: number): void {
    const { ring } = unit;
    unit.buffers.publish();
    const failed = ring.enter(least, waitMs);
    // Unsubmitted entries stay queued. A memory shortage may pass; a permanent failure becomes apparent once the ring
    // is full.
    if (failed < 0 && ring.room === 0) throw enterFailed(failed);
  }

  /** Handles completion of the wake-up poll. */
  wokenUp(unit: RingUnit, result: number): void {
    if (result <= 0) return;
    drain(this.wakeFd);
    if (unit === this.main) this.watchWakeUp();
  }

  /**
   * Makes room for `count` entries to be pushed as one chain.
   * @throws {AppError} E_SYSTEM if the kernel accepts no entries
   */
  reserve(unit: RingUnit, count: number): void {
    const { ring } = unit;
    if (ring.room >= count) return;
    let failed = 0;
    unit.buffers.publish();
    for (let n = 0; n < ATTEMPTS && ring.room < count; n++) failed = n === 0 ? ring.submit() : ring.enter(0, 0);
    if (ring.room >= count) return;
    throw enterFailed(failed);
  }

  /**
   * Submits pending entries. The kernel must complete the last of these entries synchronously.
   * @returns result of that entry, or -ECANCELED if it has none
   */
  answerOf(unit: RingUnit, slot: number, kind: number): number {
    const { ring } = unit;
    const before = ring.ready;
    const failed = this.submit(unit);
    for (let i = before; i < ring.ready; i++) {
      if (ring.slotAt(i) !== slot || kindOf(ring.tagAt(i)) !== kind) continue;
      ring.retag(i, TAG.ignored);
      return ring.resultAt(i);
    }
    return failed || -ECANCELED;
  }

  /**
   * Submits pending entries without running work.
   * @returns 0 or a negative errno
   */
  submit(unit: RingUnit): number {
    unit.buffers.publish();
    return unit.ring.submit();
  }

  /** Whether any ring has completions that overflowed into kernel memory. */
  get hasOverflow(): boolean {
    for (const { ring } of this.units) {
      if (ring.hasOverflow) return true;
    }
    return false;
  }

  /** Closes all rings. The kernel cancels the rings' requests asynchronously. */
  close(): void {
    for (const { ring, buffers } of [...this.units, ...this.spare]) {
      ring.close();
      buffers.release();
    }
  }
}

function enterFailed(result: number): AppError {
  const errno = errnoName(-result);
  return new AppError("E_SYSTEM", `io_uring_enter failed: ${errno}`, {
    fix: "free memory; if there is enough, this is a bug in fourtuple: please report it",
    facts: { errno },
  });
}
