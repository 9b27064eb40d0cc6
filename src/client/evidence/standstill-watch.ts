// Notices in the main thread that this process did not run for a while: stopped by a signal or a debugger, frozen with
// its cgroup, without CPU, or on a machine that slept. Counts the connections that failed or ended meanwhile.
import { readBootMs, readThreadCpuMs } from "../../linux/clocks.js";
import type { ConnectResult } from "../../results/connect.js";
import { STANDSTILL_MS } from "../standstills.js";

export const TICK_MS = 100;
/** Time that the workers get to handle what arrived during a standstill. */
const AFTERMATH_MS = 500;

/** Counts of connections so far. */
export interface Troubles {
  /** Handshakes that timed out or that the peer ended. */
  readonly cutOff: number;
  /** Connections that the peer or the network ended. */
  readonly lost: number;
}

/** Clocks in milliseconds: the monotonic one, time since boot with sleep, and this thread's CPU time. */
export interface Clocks {
  readonly nowMs: number;
  readonly bootMs: number;
  readonly cpuMs: number;
}

type Report = NonNullable<ConnectResult["standstills"]>;
/** Numbers of latencies that span a standstill. */
type Spanning = Pick<Report, "latencies" | "connects" | "roundTrips">;

export class StandstillWatch {
  readonly #read: () => Troubles;
  readonly #readClocks: () => Clocks;
  #clocks: Clocks;
  #troubles: Troubles;
  /** Counts before a standstill whose aftermath is not over. */
  #before: Troubles | undefined;
  #aftermathEndsMs = 0;
  #count = 0;
  #totalMs = 0;
  #longestMs = 0;
  #cutOff = 0;
  #lost = 0;

  constructor(read: () => Troubles, readClocks = readAllClocks) {
    this.#read = read;
    this.#readClocks = readClocks;
    this.#clocks = readClocks();
    this.#troubles = read();
  }

  /** This is called every TICK_MS. */
  tick(): void {
    const clocks = this.#readClocks();
    const stoodMs = stoodBetween(this.#clocks, clocks);
    if (stoodMs >= STANDSTILL_MS) {
      this.#count++;
      this.#totalMs += stoodMs;
      this.#longestMs = Math.max(this.#longestMs, stoodMs);
      this.#before ??= this.#troubles;
      this.#aftermathEndsMs = clocks.nowMs + AFTERMATH_MS;
    }
    this.#clocks = clocks;
    this.#troubles = this.#read();
    if (clocks.nowMs >= this.#aftermathEndsMs) this.#endAftermath();
  }

  /** @returns undefined if this process always ran */
  report(spanning: Spanning): Report | undefined {
    this.tick();
    this.#endAftermath();
    if (this.#count === 0) return undefined;
    return {
      count: this.#count,
      totalMs: this.#totalMs,
      longestMs: this.#longestMs,
      cutOff: this.#cutOff,
      lost: this.#lost,
      ...spanning,
    };
  }

  #endAftermath(): void {
    if (!this.#before) return;
    this.#cutOff += this.#troubles.cutOff - this.#before.cutOff;
    this.#lost += this.#troubles.lost - this.#before.lost;
    this.#before = undefined;
  }
}

/** Returns how long the thread did not run although its timer was due, including the time in which the machine slept. */
function stoodBetween(before: Clocks, after: Clocks): number {
  const passedMs = after.nowMs - before.nowMs;
  const lateMs = Math.max(0, passedMs - (after.cpuMs - before.cpuMs) - TICK_MS);
  const sleptMs = Math.max(0, after.bootMs - before.bootMs - passedMs);
  return lateMs + (sleptMs >= STANDSTILL_MS ? sleptMs : 0);
}

function readAllClocks(): Clocks {
  return { nowMs: performance.now(), bootMs: readBootMs(), cpuMs: readThreadCpuMs() };
}
