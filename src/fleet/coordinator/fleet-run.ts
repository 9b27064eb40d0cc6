// The coordinator of a run: hears its agents from the common start to the last result, ends the hold of all of them at
// once, and deals with those that are lost.
import { EventEmitter } from "node:events";
import { sample } from "../../engine/run/sampling.js";
import type { Explained } from "../../results/diagnosis.js";
import { AppError } from "../../util/errors.js";
import { type Bus, SUBJECTS } from "../bus.js";
import { failureIn, type Part, parseBeat, parsePart } from "../messages.js";
import { KEYS, type RunStore } from "../store.js";
import type { FleetPlan } from "./assemble.js";
import { Hold } from "./hold.js";
import type { Member } from "./member.js";
import { commonStart, Orders } from "./orders.js";
import { type FleetFacts, readPart } from "./outcome.js";
import { keptPlan } from "./recover.js";
import type { ClientKind, Kind } from "./roles/kind.js";
import type { Loss } from "./roles/role.js";
import { Watch } from "./watch.js";

export interface FleetEvents {
  /** An agent is no longer part of the run. */
  agentLost: [name: string, reason: string];
  /** NATS does not keep what the result could be fetched from later. */
  notKept: [reason: string];
}

/** A run of a fleet, of either role. */
export class FleetRun<K extends Kind = ClientKind> extends EventEmitter<FleetEvents> {
  readonly id: string;
  /** Specification of the whole run. */
  readonly spec: K["spec"];
  readonly members: readonly Member<K>[];
  /** Resolves when all agents have opened their connections, or accept some, or the run ends. */
  readonly ready: Promise<void>;
  readonly done: Promise<Explained<K["result"]>>;
  readonly #plan: FleetPlan<K>;
  readonly #bus: Bus;
  readonly #store: RunStore;
  readonly #startMs: number;
  readonly #startedAt = new Date().toISOString();
  readonly #orders: Orders<K>;
  readonly #watch: Watch;
  readonly #hold = new Hold();
  readonly #tick: NodeJS.Timeout;
  readonly #unsubscribes: (() => void)[];
  /** Number of lost agents whose connections are being given to others. */
  #redeals = 0;
  #stoppedMs: number | undefined;
  /** Whether the run was ended before its time, by the caller or because an agent was lost. */
  #wasStopped = false;
  #isOver = false;
  #becomeReady!: () => void;
  #resolve!: (result: Explained<K["result"]>) => void;
  #reject!: (error: Error) => void;

  /** @param members those prepared are started now */
  constructor(plan: FleetPlan<K>, members: readonly Member<K>[], bus: Bus, store: RunStore) {
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
      bus.subscribe(SUBJECTS.lease(plan.run), () => this.#watch.hearEcho()),
      bus.subscribe(SUBJECTS.runs, (_, answer) => answer?.(this.#state())),
      bus.subscribe(SUBJECTS.stop(plan.run), (_, answer) => {
        answer?.({});
        void this.stop();
      }),
    ];
    this.#startMs = commonStart(members.map(({ clock }) => clock.roundTripMs));
    this.#orders = new Orders(bus, plan.run, this.#startMs);
    this.#watch = new Watch(bus, plan.timing);
    void this.#keepPlan();
    for (const member of this.#active()) {
      member.heardMs = performance.now();
      void this.#start(member);
    }
    this.#tick = setInterval(() => this.#look(), plan.timing.heartbeatMs / 2);
  }

  /** Closes all connections and resolves with the result. Repeated calls have no further effect. */
  stop(): Promise<Explained<K["result"]>> {
    if (this.#stoppedMs === undefined) {
      const { role, spec } = this.#plan;
      const isHeld = this.#hold.leftMs !== undefined || role.isReady(this.snapshot());
      // A hold without a limit is meant to be ended.
      this.#end(!(isHeld && role.isOpenEnded(spec)));
    }
    return this.done;
  }

  /** Ends the run at once. Agents that do not hear of it close their connections when their lease runs out. */
  abort(): void {
    this.#orders.stopAll(this.#active());
    this.#finish(new AppError("E_FLEET", "the run was aborted", { fix: `fourtuple fleet result ${this.id}` }));
  }

  /** Counters of all agents; those of lost agents as of their last heartbeat. */
  snapshot(): K["snapshot"] {
    const elapsedMs = Math.max(0, Date.now() - this.#startMs);
    const progress = { elapsedMs, leftMs: this.#hold.leftMs, isOver: this.#isOver };
    return this.#plan.role.snapshot(this.spec, this.members, progress);
  }

  snapshots(intervalMs = 1000): AsyncGenerator<K["snapshot"]> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<K["snapshot"]> {
    return this.snapshots();
  }

  #active(): Member<K>[] {
    return this.members.filter(({ state }) => state === "active");
  }

  #state(): object {
    const { role, spec } = this.#plan;
    const snapshot = this.snapshot();
    return {
      run: this.id,
      role: role.kind,
      startedAt: this.#startedAt,
      requested: role.requested(spec),
      open: snapshot.open,
      agents: this.#active().length,
      stage: role.stage(snapshot),
    };
  }

  async #start(member: Member<K>): Promise<void> {
    const refusal = await this.#orders.start(member);
    // An agent that was told again meanwhile may already have ended its part.
    if (refusal !== undefined && member.urged === 0) this.#lose(member, "failed", refusal);
  }

  #onBeat(message: unknown): void {
    const beat = parseBeat(message);
    const member = beat && this.members.find(({ id }) => id === beat.agent);
    if (!beat || !member) return;
    if (member.state !== "active") {
      // It was lost and is back, but its connections are no longer part of the run.
      if (member.state !== "ended") this.#orders.stop(member);
      return;
    }
    member.heardMs = performance.now();
    // An agent of the same version sends the snapshots of its role.
    member.snapshot = (beat.snapshot as K["snapshot"] | undefined) ?? member.snapshot;
    member.cores = beat.cores ?? 0;
    if (beat.isGone) this.#lose(member, "lost", "its program has ended");
    else if (member.snapshot !== undefined) this.#holdIfReady();
    else if (this.#stoppedMs === undefined && !this.#orders.urge(member, this.#plan.timing.heartbeatMs)) {
      this.#lose(member, "lost", "it did not start");
    }
  }

  #onPart(message: unknown, answer: ((answer: object) => void) | undefined): void {
    const part = parsePart(message);
    const member = part && this.members.find(({ id }) => id === part.agent);
    answer?.({});
    if (!part || member?.state !== "active") return;
    const failure = failureIn(part);
    if (failure) this.#lose(member, "failed", failure.message);
    else if (part.isLapsed && part.result !== undefined) {
      // This program stood still or was cut off, and all agents have ended the run meanwhile.
      this.#end(true);
      this.#take(member, part);
    } else if (part.reason !== undefined) this.#lose(member, "lost", part.reason);
    else this.#take(member, part);
  }

  #take(member: Member<K>, part: Part): void {
    try {
      member.result = readPart<K>(part, this.#plan.role.kind, member.name);
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

  #lose(member: Member<K>, state: "lost" | "failed", reason: string): void {
    if (member.state !== "active") return;
    member.lose(state, reason);
    this.emit("agentLost", member.name, reason);
    if (this.#stoppedMs === undefined && this.#active().length > 0) {
      const { onLost, role } = this.#plan;
      if (onLost === "abort") this.#end(true);
      else if (onLost === "redeal") {
        this.#redeals++;
        void role.redeal(this.#bus, this.#lossOf(member)).finally(() => this.#redeals--);
      }
    }
    this.#finishIfDone();
  }

  #lossOf(lost: Member<K>): Loss<K> {
    const others = () => this.#active();
    const elapsedMs = () => Date.now() - this.#startMs;
    const isEnding = () => this.#stoppedMs !== undefined || this.#isOver;
    return {
      run: this.id,
      spec: this.spec,
      lost,
      get others() {
        return others();
      },
      get elapsedMs() {
        return elapsedMs();
      },
      get isEnding() {
        return isEnding();
      },
      onTaken: () => void this.#keepPlan(),
    };
  }

  #look(): void {
    for (const [member, reason] of this.#watch.take(this.#active(), this.#stoppedMs))
      this.#lose(member, "lost", reason);
    if (this.#stoppedMs !== undefined) this.#orders.remind(this.#active());
  }

  /** The hold begins when the last agent's ramp has ended, and ends the run. */
  #holdIfReady(): void {
    if (this.#stoppedMs !== undefined) return;
    const { role, spec } = this.#plan;
    const isReady = ({ snapshot }: Member<K>) => snapshot !== undefined && role.isReady(snapshot);
    // Connections that are taken over late are opened before the end, too.
    if (this.#redeals > 0 || !this.#active().every(isReady)) return;
    this.#becomeReady();
    const holdMs = role.holdMs(spec);
    if (this.#hold.isOver) this.#end(this.#watch.hasLapsed);
    else if (holdMs !== undefined) this.#hold.begin(holdMs, () => this.#holdIfReady());
  }

  #end(isEarly: boolean): void {
    if (this.#stoppedMs !== undefined) return;
    this.#wasStopped = isEarly;
    this.#stoppedMs = performance.now();
    this.#hold.end();
    this.#orders.stopAll(this.#active());
  }

  #finishIfDone(): void {
    if (this.#isOver || this.#active().length > 0) return;
    const result = this.#plan.role.result(
      this.#facts(),
      this.members.map((member) => member.outcome()),
    );
    this.#isOver = true;
    // A lost agent may still hold its connections.
    for (const member of this.members) if (member.state !== "ended") this.#orders.stop(member);
    if (result) void this.#keep(result).then(() => this.#finish(result));
    else this.#finish(this.#noResult());
  }

  /** Stores the result in place of the parts. */
  async #keep(result: K["result"]): Promise<void> {
    const obstacle = await this.#store.put(KEYS.result(this.id), result);
    if (obstacle !== undefined) return void this.emit("notKept", obstacle);
    await Promise.all(this.members.map(({ id }) => this.#store.remove(KEYS.part(this.id, id))));
  }

  /** Stores what the result can be put together from without this program. */
  async #keepPlan(): Promise<void> {
    const plan = keptPlan(this.#plan.role.kind, this.#facts(), this.#startedAt, this.members);
    const obstacle = await this.#store.put(KEYS.plan(this.id), plan);
    if (obstacle !== undefined) this.emit("notKept", obstacle);
  }

  #facts(): FleetFacts<K> {
    const { onLost, role, spec, run } = this.#plan;
    return { run, onLost, spec: role.target(spec), startMs: this.#startMs, wasStopped: this.#wasStopped };
  }

  #finish(result: Explained<K["result"]> | AppError): void {
    this.#isOver = true;
    clearInterval(this.#tick);
    this.#hold.end();
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    if (result instanceof AppError) this.#reject(result);
    else this.#resolve(result);
    this.#becomeReady();
  }

  #noResult(): AppError {
    const words = this.members.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
    const stored =
      this.#store.obstacle === undefined ? `, and at what they stored: fourtuple fleet result ${this.id}` : "";
    return new AppError("E_FLEET", `no agent delivered a result: ${words}`, {
      fix: `look at the agents' output${stored}`,
    });
  }
}
