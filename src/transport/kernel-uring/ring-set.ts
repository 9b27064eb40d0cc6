// The rings of one worker. RLIMIT_NOFILE bounds the files of one ring, so there are as many rings as the connections need. The worker
// waits in the newest, which polls the others: their completions are made when it enters them.
import { EPOLLIN } from "../../linux/syscalls/constants.js";
import { errnoName } from "../../linux/syscalls/errno.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { registerFiles } from "../../linux/uring/direct-files.js";
import { pushCancel, pushPollDescriptor } from "../../linux/uring/entries.js";
import { ProvidedBuffers } from "../../linux/uring/provided-buffers.js";
import { Ring } from "../../linux/uring/ring.js";
import { AppError } from "../../util/errors.js";
import { TAG } from "./tags.js";

// Small, because RLIMIT_MEMLOCK (8 MiB a user by default) has to do for all rings: 150 KB each.
const ENTRIES = 1024;
const COMPLETIONS = 4096;
const BUFFERS = 1024;
const BUFFER_BYTES = 256;
/** Buffers of the kind that floods are read into. */
const LARGE_BUFFERS = 32;
/** Room is made by handing entries over: the kernel takes all of them unless memory is short. */
const ATTEMPTS = 8;
const NO_SLOT = -1;
/** Files of one ring, at most. */
export const LARGEST_RING = 65_536;

export const SMALL_GROUP = 0;
export const LARGE_GROUP = 1;
/** The number of the first large buffer: those below are small. */
export const FIRST_LARGE = BUFFERS;

/** One ring with its files and buffers. */
export interface RingUnit {
  readonly number: number;
  readonly ring: Ring;
  /** The slot of its first file. */
  readonly firstSlot: number;
  readonly small: ProvidedBuffers;
  large: ProvidedBuffers | undefined;
  /** The newest ring has seen that this one has something to do. */
  isSignalled: boolean;
}

export class RingSet {
  readonly units: RingUnit[] = [];
  /** Slots that the rings have places for. */
  capacity = 0;
  /** Files of each ring. */
  readonly filesEach: number;
  private readonly wakeFd: number;
  private readonly readBytes: number;

  constructor(filesEach: number, wakeFd: number, readBytes: number) {
    this.filesEach = filesEach;
    this.wakeFd = wakeFd;
    this.readBytes = readBytes;
  }

  /** The ring that the worker waits in: the last one. */
  get main(): RingUnit {
    return this.units[this.units.length - 1]!;
  }

  unitOf(slot: number): RingUnit {
    return this.units[Math.floor(slot / this.filesEach)]!;
  }

  /** Adds a ring, which becomes the one to wait in. @returns 0 or a negative errno */
  add(): number {
    const ring = Ring.open({ entries: ENTRIES, completions: COMPLETIONS });
    if (typeof ring === "number") return ring;
    const failed = registerFiles(ring, this.filesEach);
    const small = failed || ProvidedBuffers.register(ring, BUFFERS, BUFFER_BYTES, SMALL_GROUP);
    if (typeof small === "number") {
      ring.close();
      return small;
    }
    const before = this.units.at(-1);
    const number = this.units.length;
    const unit = { number, ring, firstSlot: this.capacity, small, large: undefined, isSignalled: false };
    this.units.push(unit);
    this.capacity += this.filesEach;
    this.watchWakeUp();
    if (before) this.moveWatches(before);
    return 0;
  }

  /** Polls the wake-up; to be called again each time it has come. */
  watchWakeUp(): void {
    const { main } = this;
    this.reserve(main, 1);
    pushPollDescriptor(main.ring, this.wakeFd, EPOLLIN, NO_SLOT, TAG.wakeUp);
  }

  /** Polls a ring that is not the newest; to be called again each time it has had something to do. */
  watch({ number, ring }: RingUnit): void {
    const { main } = this;
    this.reserve(main, 1);
    pushPollDescriptor(main.ring, ring.fd, EPOLLIN, number, TAG.ring);
  }

  /** Makes room for `count` entries, which are then pushed as one chain. @throws {AppError} E_SYSTEM when the kernel takes none */
  reserve(unit: RingUnit, count: number): void {
    const { ring } = unit;
    if (ring.room >= count) return;
    let failed = 0;
    for (let n = 0; n < ATTEMPTS && ring.room < count; n++) failed = ring.enter(0, 0);
    if (ring.room >= count) return;
    throw enterFailed(failed);
  }

  /** The buffers for connections that flood: made for the first one. @returns undefined when memory is short */
  largeBuffers(unit: RingUnit): ProvidedBuffers | undefined {
    if (unit.large) return unit.large;
    const buffers = ProvidedBuffers.register(unit.ring, LARGE_BUFFERS, this.readBytes, LARGE_GROUP, FIRST_LARGE);
    if (typeof buffers === "number") return undefined;
    unit.large = buffers;
    return buffers;
  }

  /** Ends all rings; the kernel ends what is in them a moment later. */
  close(): void {
    for (const { ring, small, large } of this.units) {
      ring.close();
      small.release();
      large?.release();
    }
  }

  /** What `before` waited for is waited for by the newest ring. */
  private moveWatches(before: RingUnit): void {
    this.cancel(before, NO_SLOT, TAG.wakeUp);
    for (const unit of this.units) {
      if (unit.number < before.number) this.cancel(before, unit.number, TAG.ring);
      if (unit !== this.main) this.watch(unit);
    }
  }

  private cancel(unit: RingUnit, slot: number, tag: number): void {
    this.reserve(unit, 1);
    pushCancel(unit.ring, slot, tag, SQE_FLAG.skipSuccess, NO_SLOT, TAG.ignored);
  }
}

export function enterFailed(result: number): AppError {
  const errno = errnoName(-result);
  return new AppError("E_SYSTEM", `io_uring_enter failed: ${errno}`, {
    fix: "free memory; if there is enough, this is a bug in fourtuple: please report it",
    facts: { errno },
  });
}
