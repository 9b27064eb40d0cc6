// Decides when an agent is given up: it is silent, unreachable, or does not finish. No wait is without a deadline.
import type { Bus } from "../bus.js";
import type { Timing } from "../messages.js";
import { MISSED_BEATS } from "./lease.js";

/** How long an agent that was told to stop may take to close its connections and answer. */
const FINISH_MS = 60_000;

/** Longest time for the coordinator's own sign of life to come back from NATS, in heartbeats. */
const LONGEST_ECHO = 1.5;

interface Watched {
  /** When its last sign of life arrived. */
  heardMs: number;
}

export class Watch {
  readonly #bus: Bus;
  readonly #timing: Timing;
  #tickedMs = performance.now();
  #echoMs = performance.now();
  #cutOffMs = 0;
  /** Time when a lease was last known to arrive at NATS. */
  #renewedMs = performance.now();

  constructor(bus: Bus, timing: Timing) {
    this.#bus = bus;
    this.#timing = timing;
  }

  /** To be called when the coordinator's own sign of life has come back: without a cut wire, silent agents are lost. */
  hearEcho(): void {
    this.#echoMs = performance.now();
    this.#renewedMs = this.#echoMs;
  }

  /** Whether no lease has arrived for so long that the agents may have closed their connections. */
  get hasLapsed(): boolean {
    const { heartbeatMs, leaseMs } = this.#timing;
    return performance.now() - this.#renewedMs > leaseMs - heartbeatMs;
  }

  /**
   * To be called twice per heartbeat.
   *
   * @param stoppedMs when the agents were told to stop; undefined before that
   * @returns the agents that are given up, with the reason
   */
  take<W extends Watched>(active: readonly W[], stoppedMs: number | undefined): [W, string][] {
    const nowMs = performance.now();
    const passedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    const { heartbeatMs } = this.#timing;
    const stoodStill = passedMs > heartbeatMs;
    if (stoodStill) this.#echoMs += passedMs;
    const isCutOff = !this.#bus.isConnected || nowMs - this.#echoMs > LONGEST_ECHO * heartbeatMs;
    this.#cutOffMs = isCutOff ? this.#cutOffMs + passedMs : 0;
    // While this program or its connection stood still, it could not hear anybody.
    const isBlind = isCutOff || stoodStill;
    return active.flatMap((member): [W, string][] => {
      if (isBlind) member.heardMs += passedMs;
      const reason = this.#reasonFor(nowMs - member.heardMs, stoppedMs === undefined ? 0 : nowMs - stoppedMs);
      return reason === undefined ? [] : [[member, reason]];
    });
  }

  #reasonFor(silentMs: number, stoppingMs: number): string | undefined {
    const { heartbeatMs, leaseMs } = this.#timing;
    if (silentMs > MISSED_BEATS * heartbeatMs) return `silent for ${MISSED_BEATS} heartbeats`;
    if (this.#cutOffMs > leaseMs) return "NATS was unreachable for longer than the lease";
    return stoppingMs > FINISH_MS ? "it did not finish after it was told to stop" : undefined;
  }
}
