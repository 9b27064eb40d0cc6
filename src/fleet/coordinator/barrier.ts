// Waits until an agent is ready to start. It is asked again while NATS restarts, and given up when its heartbeats are
// missing, which tells a dead agent from one whose preparation takes long.

import { formatDuration } from "../../util/units.js";
import { type Bus, SUBJECTS } from "../bus.js";
import { parseBeat, type Timing } from "../messages.js";
import { pause } from "../pause.js";
import { silenceMs } from "./lease.js";

/** An agent that is asked again answers what it would have answered before. */
const ANSWER_MS = 2000;
const LOOK_MS = 100;

export class Barrier {
  readonly #bus: Bus;
  readonly #silenceMs: number;
  readonly #heardMs = new Map<string, number>();
  readonly #gone = new Set<string>();
  readonly #unsubscribes: readonly (() => void)[];
  /** When the coordinator's own sign of life last came back from NATS; undefined before that. */
  #echoMs: number | undefined;

  constructor(bus: Bus, run: string, timing: Timing) {
    this.#bus = bus;
    this.#silenceMs = silenceMs(timing);
    this.#unsubscribes = [
      bus.subscribe(SUBJECTS.beats(run), (message) => {
        const beat = parseBeat(message);
        if (beat) this.#heardMs.set(beat.agent, performance.now());
        if (beat?.isGone) this.#gone.add(beat.agent);
      }),
      bus.subscribe(SUBJECTS.lease(run), () => {
        this.#echoMs = performance.now();
      }),
    ];
  }

  /**
   * Asks an agent to prepare its part.
   *
   * @returns its answer, or why there is none
   * @throws {AppError} E_FLEET if the request is longer than NATS accepts
   */
  async ask(agent: string, request: object, deadlineMs: number): Promise<{ answer?: unknown; reason?: string }> {
    const startMs = performance.now();
    this.#heardMs.set(agent, startMs);
    const over = new AbortController();
    const answered = this.#repeat(agent, request, over.signal);
    answered.catch(() => undefined);
    try {
      for (;;) {
        const answer = await Promise.race([answered, pause(LOOK_MS)]);
        if (answer !== undefined) return { answer };
        const nowMs = performance.now();
        // While NATS is away, nobody can be heard.
        if (!this.#bus.isConnected) this.#heardMs.set(agent, nowMs);
        if (this.#gone.has(agent)) return { reason: "its program has ended" };
        if (nowMs - startMs >= deadlineMs) return { reason: `not ready within ${formatDuration(deadlineMs)}` };
        if (nowMs - this.#heardMs.get(agent)! > this.#silenceMs) {
          const isCutOff = this.#echoMs !== undefined && nowMs - this.#echoMs > this.#silenceMs / 2;
          return { reason: `${isCutOff ? "NATS was " : ""}silent for ${formatDuration(this.#silenceMs)}` };
        }
      }
    } finally {
      over.abort();
    }
  }

  end(): void {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
  }

  async #repeat(agent: string, request: object, over: AbortSignal): Promise<unknown> {
    while (!over.aborted) {
      const answer = await this.#bus.request(SUBJECTS.agent(agent), request, ANSWER_MS);
      if (answer !== undefined) return answer;
      await pause(LOOK_MS);
    }
    return undefined;
  }
}
