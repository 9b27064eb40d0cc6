// Pauses a server while the host is running low on memory or file descriptors, and records this process's memory at the
// peak number of connections.
import { isBelowFloor, readMemoryRoom } from "../engine/memory-floor.js";
import { readMemoryUse } from "../engine/memory-use.js";
import { isBelowReserve, readFileRoom } from "../engine/open-files-reserve.js";
import type { RunEvidence } from "../results/evidence.js";

const CHECK_MS = 250;
/** While the server is idle, only one in this many checks reads the host's memory. */
const QUIET_CHECKS = 4;

/** The activity of a server so far. */
export interface Activity {
  /** Connections accepted plus bytes sent and received; unchanged while the server is idle. */
  readonly sum: number;
  readonly open: number;
  readonly peak: number;
}

export class MemoryGuard {
  isPaused = false;
  /** This process's resident memory at the peak number of connections, in bytes. */
  residentAtPeak = 0;
  /** Memory figures at the moment of the pause; undefined if there was no pause. */
  memoryStop: RunEvidence["memoryStop"];
  fileStop: RunEvidence["fileStop"];
  readonly #read: () => Activity;
  readonly #pause: (isPaused: boolean) => void;
  readonly #timer: NodeJS.Timeout;
  #watchedSum = -1;
  #quietChecks = 0;

  /**
   * Checks regularly until close().
   * @param pause called whenever the state changes
   */
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
    // An idle server without connections uses no memory and should use no CPU. With connections open, peers may fill
    // the kernel's buffers without being counted, so check from time to time.
    const isQuiet = sum === this.#watchedSum && !this.isPaused;
    this.#quietChecks = isQuiet ? this.#quietChecks + 1 : 0;
    if (isQuiet && (open === 0 || this.#quietChecks % QUIET_CHECKS !== 0)) return;
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
