// Pauses a server while the host is short of memory or of open files, and notes this process's memory at the most connections.
import { isBelowFloor, readMemoryRoom } from "../engine/memory-stop.js";
import { readMemoryUse } from "../engine/memory-use.js";
import { isBelowReserve, readFileRoom } from "../engine/open-files-stop.js";
import type { RunEvidence } from "../results/evidence.js";

const CHECK_MS = 250;
/** Of so many checks in which nothing has come or gone, one reads the host's memory. */
const QUIET_CHECKS = 4;

/** What a server has done so far. */
export interface Activity {
  /** Connections accepted and bytes sent and received: it has been quiet while the sum stays the same. */
  readonly sum: number;
  readonly open: number;
  readonly peak: number;
}

export class MemoryGuard {
  isPaused = false;
  /** Bytes of this process while the most connections were open. */
  residentAtPeak = 0;
  /** The room there was when it paused; undefined when it never did. */
  memoryStop: RunEvidence["memoryStop"];
  fileStop: RunEvidence["fileStop"];
  readonly #read: () => Activity;
  readonly #pause: (isPaused: boolean) => void;
  readonly #timer: NodeJS.Timeout;
  #watchedSum = -1;
  #quietLooks = 0;

  /** Looks until close(). @param pause told of each change */
  constructor(read: () => Activity, pause: (isPaused: boolean) => void) {
    this.#read = read;
    this.#pause = pause;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const { sum, open, peak } = this.#read();
    // A server to which nobody comes uses no memory, and is to use no CPU. Peers that are there may fill the kernel's buffers
    // unseen, so it checks from time to time.
    const isQuiet = sum === this.#watchedSum && !this.isPaused;
    this.#quietLooks = isQuiet ? this.#quietLooks + 1 : 0;
    if (isQuiet && (open === 0 || this.#quietLooks % QUIET_CHECKS !== 0)) return;
    this.#watchedSum = sum;
    if (open >= peak) this.residentAtPeak = Math.max(this.residentAtPeak, readMemoryUse().residentBytes);
    const room = readMemoryRoom();
    const files = readFileRoom();
    const isShort = files !== undefined && isBelowReserve(files);
    const isBelow = isBelowFloor(room) || isShort;
    if (isBelow === this.isPaused) return;
    this.isPaused = isBelow;
    if (isShort) this.fileStop = files;
    else if (isBelow) this.memoryStop = room;
    this.#pause(isBelow);
  }
}
