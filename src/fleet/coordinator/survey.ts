// Questions to all agents before anything is dealt. An agent that has fallen silent meanwhile is left out, or ends the
// run: three heartbeats tell it from one that takes long to answer.
import type { RunSpec } from "../../planning/run-spec.js";
import { AppError } from "../../util/errors.js";
import { formatDuration } from "../../util/units.js";
import { type Bus, SUBJECTS } from "../bus.js";
import { withoutContents } from "../contents.js";
import { type Announcement, type Ceiling, parseCeiling, parseClock, type Timing } from "../messages.js";
import type { OnLost } from "../options.js";
import { pause } from "../pause.js";
import { failureIn } from "../refusals.js";
import type { ServerSpec } from "../server-spec.js";
import { type ClockOffset, measureClocks } from "./clock.js";
import { MISSED_BEATS, silenceMs } from "./lease.js";
import { askAll, toOneError, UNREADABLE } from "./refusal.js";

/** An agent reads its kernel's tables to predict its ceiling, which takes a while if they are large. */
const CEILING_MS = 20_000;
const REPEAT_MS = 100;

type Spec = RunSpec | ServerSpec;

export class Survey {
  /** Agents that do not take part because they are silent, in words. */
  readonly absences: string[] = [];
  readonly #bus: Bus;
  readonly #silenceMs: number;
  readonly #onLost: OnLost;

  constructor(bus: Bus, timing: Timing, onLost: OnLost) {
    this.#bus = bus;
    this.#silenceMs = silenceMs(timing);
    this.#onLost = onLost;
  }

  /**
   * Asks agents how much of a load they can hold.
   *
   * @returns the ceilings by the agents' ids, without those of silent agents
   * @throws {AppError} one error for the refusals of agents; E_FLEET if one is silent, and the run must not go on without it
   */
  async ceilings(
    agents: readonly Announcement[],
    specOf: (agent: Announcement) => Spec,
  ): Promise<Map<string, Ceiling>> {
    const answers = await askAll(agents, (agent) => this.#askCeiling(agent, specOf(agent)));
    const ceilings = new Map<string, Ceiling>();
    const reasons = new Map<string, string>();
    for (const [n, { id }] of agents.entries()) {
      const answer = answers[n]!;
      if (typeof answer === "string") reasons.set(id, answer);
      else ceilings.set(id, answer);
    }
    this.#leaveOut(agents, reasons);
    return ceilings;
  }

  /** @throws {AppError} as ceilings() */
  async clocks(agents: readonly Announcement[]): Promise<Map<string, ClockOffset>> {
    const ids = agents.map(({ id }) => id);
    const clocks = await measureClocks(this.#bus, ids, this.#silenceMs);
    const silent = ids.filter((id) => !clocks.has(id));
    this.#leaveOut(agents, new Map(silent.map((id) => [id, this.#silentWords])));
    return clocks;
  }

  get #silentWords(): string {
    return `silent for ${formatDuration(this.#silenceMs)}`;
  }

  /** @param reasons why agents cannot take part, by their ids */
  #leaveOut(agents: readonly Announcement[], reasons: ReadonlyMap<string, string>): void {
    const absent = agents.filter(({ id }) => reasons.has(id));
    if (absent.length === 0) return;
    if (this.#onLost === "abort" || absent.length === agents.length) {
      const fix = "look at its log; --on-lost continue or redeal runs without it";
      const errorOf = (id: string) => new AppError("E_FLEET", reasons.get(id)!, { fix });
      throw toOneError(absent.map(({ id, name }) => ({ agent: name, error: errorOf(id) })));
    }
    this.absences.push(...absent.map(({ id, name }) => `agent ${name} is left out: ${reasons.get(id)}`));
  }

  /** @returns the ceiling, or the agent's refusal; the reason, in words, if there is no answer */
  async #askCeiling({ id }: Announcement, spec: Spec): Promise<Ceiling | AppError | string> {
    const over = new AbortController();
    const request = { ask: "ceiling", spec: withoutContents(spec) };
    const asked = this.#answer(id, request, over.signal);
    const answer = await Promise.race([asked, this.#silence(id, over.signal)]).finally(() => over.abort());
    if (typeof answer === "string") return answer;
    return failureIn(answer) ?? parseCeiling(answer) ?? new AppError("E_FLEET", UNREADABLE);
  }

  /** @returns the answer to a request, which is repeated while NATS restarts; why there is none, in words */
  async #answer(id: string, request: object, over: AbortSignal): Promise<unknown> {
    const endMs = performance.now() + CEILING_MS;
    while (!over.aborted && performance.now() < endMs) {
      const answer = await this.#bus.request(SUBJECTS.agent(id), request, CEILING_MS);
      if (answer !== undefined) return answer;
      await pause(REPEAT_MS);
    }
    return `it did not tell its ceiling within ${formatDuration(CEILING_MS)}`;
  }

  /** Resolves, in words, when an agent has not told the time as often as an agent may miss heartbeats. */
  async #silence(id: string, over: AbortSignal): Promise<string> {
    const intervalMs = this.#silenceMs / MISSED_BEATS;
    for (let missed = 0; missed < MISSED_BEATS && !over.aborted; ) {
      const askedMs = performance.now();
      const answer = parseClock(await this.#bus.request(SUBJECTS.agent(id), { ask: "clock" }, intervalMs));
      const waitedMs = performance.now() - askedMs;
      // While NATS is away, nobody can be heard.
      if (answer || !this.#bus.isConnected) missed = 0;
      // While this program stood still, it has not looked at the answer.
      else if (waitedMs < 2 * intervalMs) missed++;
      await pause(Math.max(0, intervalMs - waitedMs), over);
    }
    return this.#silentWords;
  }
}
