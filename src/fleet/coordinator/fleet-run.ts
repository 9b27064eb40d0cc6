// The coordinator of a run: watches its agents from the common start to the last result, ends the hold of all of them
// at once, and deals with those that are lost. It never waits without a deadline.
import { EventEmitter } from "node:events";
import type { ConnectSnapshot } from "../../client/snapshot.js";
import { sample } from "../../engine/run/sampling.js";
import type { RunSpec } from "../../planning/run-spec.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import { AppError } from "../../util/errors.js";
import { type Bus, SUBJECTS } from "../bus.js";
import { failureIn, type Part, parseBeat, parsePart } from "../messages.js";
import { emptySnapshot, mergeSnapshots } from "../snapshots.js";
import { KEYS, type RunStore } from "../store.js";
import type { FleetPlan } from "./assemble.js";
import { MISSED_BEATS } from "./lease.js";
import type { Member } from "./member.js";
import { keptPlan } from "./recover.js";
import { redeal } from "./redeal.js";
import { type FleetFacts, fleetResult, readPart } from "./result.js";

/** How long an agent that was told to stop may take to close its connections and answer. */
const FINISH_MS = 60_000;
const REPEAT_STOP_MS = 1000;
const ANSWER_MS = 1000;
/** How many heartbeats an agent may send after the start without having started. */
const MOST_URGES = 10;
/** Least time from the order to the common start. */
const LEAD_MS = 300;

export interface FleetEvents {
  /** An agent is no longer part of the run. */
  agentLost: [name: string, reason: string];
}

export class FleetRun extends EventEmitter<FleetEvents> {
  readonly id: string;
  /** Specification of the whole run. */
  readonly spec: RunSpec;
  readonly members: readonly Member[];
  /** Resolves when all agents have opened their connections, or the run ends. */
  readonly ready: Promise<void>;
  readonly done: Promise<Explained<ConnectResult>>;
  readonly #plan: FleetPlan;
  readonly #bus: Bus;
  readonly #store: RunStore;
  readonly #startMs: number;
  readonly #startedAt = new Date().toISOString();
  readonly #tick: NodeJS.Timeout;
  readonly #unsubscribes: (() => void)[];
  #tickedMs = performance.now();
  #cutOffMs = 0;
  #holdTimer: NodeJS.Timeout | undefined;
  #holdUntilMs: number | undefined;
  #stoppedMs: number | undefined;
  #toldMs = 0;
  /** Whether the run was ended before its time, by the caller or because an agent was lost. */
  #wasStopped = false;
  #isOver = false;
  #becomeReady!: () => void;
  #resolve!: (result: Explained<ConnectResult>) => void;
  #reject!: (error: Error) => void;

  /** @param members those prepared are started now */
  constructor(plan: FleetPlan, members: readonly Member[], bus: Bus, store: RunStore) {
    super();
    this.id = plan.run;
    this.spec = plan.spec;
    this.members = members;
    this.#plan = plan;
    this.#bus = bus;
    this.#store = store;
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve;
    });
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
    this.#unsubscribes = [
      bus.subscribe(SUBJECTS.beats(plan.run), (message) => this.#onBeat(message)),
      bus.subscribe(SUBJECTS.parts(plan.run), (message, answer) => this.#onPart(message, answer)),
      bus.subscribe(SUBJECTS.runs, (_, answer) => answer?.(this.#state())),
      bus.subscribe(SUBJECTS.stop(plan.run), (_, answer) => {
        answer?.({});
        void this.stop();
      }),
    ];
    const slowest = Math.max(...members.map(({ clock }) => clock.roundTripMs));
    this.#startMs = Date.now() + Math.max(LEAD_MS, 4 * slowest);
    void store.put(KEYS.plan(plan.run), keptPlan(this.#facts(), this.#startedAt, members));
    for (const member of this.#active()) {
      member.heardMs = performance.now();
      void this.#start(member);
    }
    this.#tick = setInterval(() => this.#watch(), plan.timing.heartbeatMs / 2);
  }

  /** Closes all connections and resolves with the result. Repeated calls have no further effect. */
  stop(): Promise<Explained<ConnectResult>> {
    if (this.#stoppedMs === undefined) {
      const isHeld = this.#holdUntilMs !== undefined || this.snapshot().stage !== "ramp";
      // A hold without a limit is meant to be ended.
      this.#end(!(isHeld && this.spec.durationMs === "forever" && this.spec.requests === undefined));
    }
    return this.done;
  }

  /** Ends the run at once. Agents that do not hear of it close their connections when their lease runs out. */
  abort(): void {
    this.#tellAll();
    this.#finish(new AppError("E_FLEET", "the run was aborted", { fix: `fourtuple fleet result ${this.id}` }));
  }

  /** Counters of all agents; those of lost agents as of their last heartbeat. */
  snapshot(): ConnectSnapshot {
    const seen = this.members.flatMap(({ snapshot, state }) =>
      snapshot ? [state === "active" ? snapshot : { ...snapshot, open: 0, inFlight: 0, stage: "closed" as const }] : [],
    );
    const base = seen.length > 0 ? mergeSnapshots(seen) : emptySnapshot();
    const isUnheard = this.#active().some(({ snapshot }) => snapshot === undefined);
    const leftMs = this.#holdUntilMs === undefined ? undefined : Math.max(0, this.#holdUntilMs - performance.now());
    const elapsedMs = Math.max(0, Date.now() - this.#startMs);
    const stage = this.#isOver ? "closed" : isUnheard ? "ramp" : base.stage;
    return {
      ...base,
      stage,
      requested: this.spec.connections,
      requestedMessages: this.spec.requests,
      leftMs,
      elapsedMs,
    };
  }

  snapshots(intervalMs = 1000): AsyncGenerator<ConnectSnapshot> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<ConnectSnapshot> {
    return this.snapshots();
  }

  #active(): Member[] {
    return this.members.filter(({ state }) => state === "active");
  }

  #state(): object {
    const { open, stage } = this.snapshot();
    const agents = this.#active().length;
    return { run: this.id, startedAt: this.#startedAt, requested: this.spec.connections, open, agents, stage };
  }

  /** An agent that does not answer is found by its silence. */
  async #start(member: Member): Promise<void> {
    const atMs = this.#startMs + member.clock.offsetMs;
    const request = { ask: "start", run: this.id, atMs };
    const answer = await this.#bus.request(SUBJECTS.agent(member.id), request, ANSWER_MS);
    const refusal = failureIn(answer);
    // An agent that is told again may already have ended its part.
    if (refusal && member.urged === 0) this.#lose(member, "failed", refusal.message);
  }

  /** The order to start does not arrive while NATS restarts, and an agent whose clock was set misunderstands it. */
  #urge(member: Member): void {
    if (this.#stoppedMs !== undefined || Date.now() < this.#startMs + this.#plan.timing.heartbeatMs) return;
    if (member.urged++ < MOST_URGES) void this.#start(member);
    else this.#lose(member, "lost", "it did not start");
  }

  #onBeat(message: unknown): void {
    const beat = parseBeat(message);
    const member = beat && this.members.find(({ id }) => id === beat.agent);
    if (!beat || !member) return;
    if (member.state !== "active") {
      // It was lost and is back, but its connections are no longer part of the run.
      if (member.state !== "ended") this.#tell(member);
      return;
    }
    member.heardMs = performance.now();
    member.snapshot = beat.snapshot ?? member.snapshot;
    if (beat.isGone) this.#lose(member, "lost", "its program has ended");
    else if (member.snapshot === undefined) this.#urge(member);
    else this.#holdIfReady();
  }

  #onPart(message: unknown, answer: ((answer: object) => void) | undefined): void {
    const part = parsePart(message);
    const member = part && this.members.find(({ id }) => id === part.agent);
    answer?.({});
    if (!part || member?.state !== "active") return;
    const failure = failureIn(part);
    if (failure) this.#lose(member, "failed", failure.message);
    else if (part.reason !== undefined) this.#lose(member, "lost", part.reason);
    else this.#take(member, part);
  }

  #take(member: Member, part: Part): void {
    try {
      member.result = readPart(part, member.name);
    } catch (error) {
      this.#lose(member, "failed", (error as Error).message);
      return;
    }
    if (member.result === undefined) {
      this.#lose(member, "lost", "it was stopped before it started");
      return;
    }
    member.state = "ended";
    this.#finishIfDone();
  }

  #lose(member: Member, state: "lost" | "failed", reason: string): void {
    if (member.state !== "active") return;
    member.lose(state, reason);
    this.emit("agentLost", member.name, reason);
    if (this.#stoppedMs === undefined && this.#active().length > 0) {
      if (this.#plan.onLost === "abort") this.#end(true);
      else if (this.#plan.onLost === "redeal") {
        void redeal(this.#bus, this.id, member, this.#active(), this.spec.connections, Date.now() - this.#startMs);
      }
    }
    this.#finishIfDone();
  }

  #watch(): void {
    const nowMs = performance.now();
    const { heartbeatMs, leaseMs } = this.#plan.timing;
    const passedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    this.#cutOffMs = this.#bus.isConnected ? 0 : this.#cutOffMs + passedMs;
    const isBlind = !this.#bus.isConnected || passedMs > heartbeatMs;
    for (const member of this.#active()) {
      // While this program or its connection stood still, it could not hear anybody.
      if (isBlind) member.heardMs += passedMs;
      if (nowMs - member.heardMs > MISSED_BEATS * heartbeatMs) {
        this.#lose(member, "lost", `silent for ${MISSED_BEATS} heartbeats`);
      } else if (this.#cutOffMs > leaseMs) {
        this.#lose(member, "lost", "NATS was unreachable for longer than the lease");
      } else if (this.#stoppedMs !== undefined && nowMs - this.#stoppedMs > FINISH_MS) {
        this.#lose(member, "lost", "it did not finish after it was told to stop");
      }
    }
    if (this.#stoppedMs !== undefined && nowMs - this.#toldMs > REPEAT_STOP_MS) this.#tellAll();
  }

  /** The hold begins when the last agent's ramp has ended. */
  #holdIfReady(): void {
    if (this.#holdUntilMs !== undefined || this.#stoppedMs !== undefined) return;
    if (this.#active().some(({ snapshot }) => snapshot === undefined || snapshot.stage === "ramp")) return;
    this.#becomeReady();
    const { durationMs, requests } = this.spec;
    if (durationMs === "forever" || requests !== undefined) return;
    this.#holdUntilMs = performance.now() + durationMs;
    this.#holdTimer = setTimeout(() => this.#end(false), Math.min(durationMs, 2 ** 31 - 1));
  }

  #end(isEarly: boolean): void {
    if (this.#stoppedMs !== undefined) return;
    this.#wasStopped = isEarly;
    this.#stoppedMs = performance.now();
    clearTimeout(this.#holdTimer);
    this.#tellAll();
  }

  #tellAll(): void {
    this.#toldMs = performance.now();
    for (const member of this.#active()) this.#tell(member);
  }

  #tell({ id }: Member): void {
    this.#bus.publish(SUBJECTS.agent(id), { ask: "stop", run: this.id });
  }

  #finishIfDone(): void {
    if (this.#isOver || this.#active().length > 0) return;
    const result = fleetResult(
      this.#facts(),
      this.members.map((member) => member.outcome()),
    );
    this.#isOver = true;
    // A lost agent may still hold its connections.
    for (const member of this.members) if (member.state !== "ended") this.#tell(member);
    if (result) void this.#keep(result).then(() => this.#finish(result));
    else this.#finish(noResult(this.members));
  }

  /** Stores the result in place of the parts. */
  async #keep(result: ConnectResult): Promise<void> {
    await this.#store.put(KEYS.result(this.id), result);
    await Promise.all(this.members.map(({ id }) => this.#store.remove(KEYS.part(this.id, id))));
  }

  #facts(): FleetFacts {
    const { onLost, spec, run } = this.#plan;
    return { run, onLost, spec, startMs: this.#startMs, wasStopped: this.#wasStopped };
  }

  #finish(result: Explained<ConnectResult> | AppError): void {
    this.#isOver = true;
    clearInterval(this.#tick);
    clearTimeout(this.#holdTimer);
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    if (result instanceof AppError) this.#reject(result);
    else this.#resolve(result);
    this.#becomeReady();
  }
}

function noResult(members: readonly Member[]): AppError {
  const words = members.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  return new AppError("E_FLEET", `no agent delivered a result: ${words}`, {
    fix: "look at the agents' output, and run it again",
  });
}
