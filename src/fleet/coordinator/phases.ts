// The phases of a fleet's run: hears its agents from the common start to the last result, ends the hold of all of them at
// once, and deals with those that are lost.
import type { Explained } from "../../results/diagnosis.js";
import { AppError } from "../../util/errors.js";
import type { Bus } from "../bus.js";
import type { Beat, Part, RunState } from "../messages.js";
import { failureIn } from "../refusals.js";
import type { RunStore } from "../store.js";
import type { FleetPlan } from "./assemble.js";
import { Hold } from "./hold.js";
import { openInbox } from "./inbox.js";
import type { Member } from "./member.js";
import { commonStart, Orders } from "./orders.js";
import { Archive } from "./result/archive.js";
import { readPart } from "./result/outcome.js";
import type { Kind } from "./roles/kind.js";
import type { Loss } from "./roles/role.js";
import { Watch } from "./watch.js";

/** What the run reports while it lasts; see FleetEvents. */
interface Reports {
  agentLost(name: string, reason: string): void;
  notTaken(name: string, connections: number, reason: string): void;
  notKept(reason: string): void;
}

export class FleetPhases<K extends Kind> {
  readonly ready: Promise<void>;
  readonly done: Promise<Explained<K["result"]>>;
  readonly #plan: FleetPlan<K>;
  readonly #members: readonly Member<K>[];
  readonly #bus: Bus;
  readonly #reports: Reports;
  readonly #archive: Archive<K>;
  readonly #startMs: number;
  readonly #orders: Orders<K>;
  readonly #watch: Watch;
  readonly #hold = new Hold();
  readonly #tick: NodeJS.Timeout;
  readonly #closeInbox: () => void;
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
  constructor(plan: FleetPlan<K>, members: readonly Member<K>[], bus: Bus, store: RunStore, reports: Reports) {
    this.#plan = plan;
    this.#members = members;
    this.#bus = bus;
    this.#reports = reports;
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve;
    });
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
    this.#closeInbox = openInbox(bus, plan.run, members, {
      beat: (member, beat) => this.#onBeat(member, beat),
      part: (member, part) => this.#onPart(member, part),
      echo: () => this.#watch.hearEcho(),
      stop: () => this.stop(),
      state: () => this.#state(),
    });
    this.#startMs = commonStart(members.map(({ clock }) => clock.roundTripMs));
    this.#archive = new Archive(store, plan, members, this.#startMs, (reason) => reports.notKept(reason));
    this.#orders = new Orders(bus, plan.run, this.#startMs);
    this.#watch = new Watch(bus, plan.timing);
    void this.#archive.keepPlan();
    for (const member of this.#active()) {
      member.heardMs = performance.now();
      void this.#start(member);
    }
    this.#tick = setInterval(() => this.#look(), plan.timing.heartbeatMs / 2);
  }

  stop(): void {
    if (this.#stoppedMs !== undefined) return;
    const { role, spec } = this.#plan;
    const isHeld = this.#hold.leftMs !== undefined || role.isReady(this.snapshot());
    // A hold without a limit is meant to be ended.
    this.#end(!(isHeld && role.isOpenEnded(spec)));
  }

  abort(
    reason = new AppError("E_FLEET", "the run was aborted", { fix: `fourtuple fleet result ${this.#plan.run}` }),
  ): void {
    this.#orders.stopAll(this.#active());
    this.#finish(reason);
  }

  snapshot(): K["snapshot"] {
    const elapsedMs = Math.max(0, Date.now() - this.#startMs);
    const progress = { elapsedMs, leftMs: this.#hold.leftMs, isOver: this.#isOver };
    return this.#plan.role.snapshot(this.#plan.spec, this.#members, progress);
  }

  #active(): Member<K>[] {
    return this.#members.filter(({ state }) => state === "active");
  }

  #state(): RunState {
    const { run, role, spec } = this.#plan;
    const snapshot = this.snapshot();
    return {
      run,
      role: role.kind,
      startedAt: this.#archive.startedAt,
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

  #onBeat(member: Member<K>, beat: Beat): void {
    if (member.state !== "active") {
      // It was lost and is back, but its connections are no longer part of the run.
      if (member.state !== "ended") this.#orders.stop(member);
      return;
    }
    member.heardMs = performance.now();
    // An agent of the same version sends the snapshots of its role.
    member.snapshot = (beat.snapshot as K["snapshot"] | undefined) ?? member.snapshot;
    member.histograms = beat.histograms ?? member.histograms;
    member.failures = beat.failures ?? member.failures;
    member.cores = beat.cores ?? 0;
    if (beat.isGone) this.#lose(member, "lost", "its program has ended");
    else if (member.snapshot !== undefined) this.#holdIfReady();
    else if (this.#stoppedMs === undefined && !this.#orders.urge(member, this.#plan.timing.heartbeatMs)) {
      this.#lose(member, "lost", "it did not start");
    }
  }

  #onPart(member: Member<K>, part: Part): void {
    if (member.state !== "active") return;
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
    this.#reports.agentLost(member.name, reason);
    if (this.#stoppedMs === undefined && this.#active().length > 0) {
      const { onLost, role } = this.#plan;
      if (onLost === "abort") this.#end(true);
      else if (onLost === "redeal") {
        this.#redeals++;
        void role.redeal(this.#bus, this.#lossOf(member)).finally(() => this.#redealt(member));
      }
    }
    this.#finishIfDone();
  }

  #redealt({ name, requested, takenOver, untaken }: Member<K>): void {
    this.#redeals--;
    if (untaken !== undefined) this.#reports.notTaken(name, requested - takenOver, untaken);
  }

  #lossOf(lost: Member<K>): Loss<K> {
    const { run, spec } = this.#plan;
    return {
      run,
      spec,
      lost,
      others: () => this.#active(),
      elapsedMs: () => Date.now() - this.#startMs,
      isEnding: () => this.#stoppedMs !== undefined || this.#isOver,
      onTaken: () => void this.#archive.keepPlan(),
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
    // A lost agent may still hold its connections.
    for (const member of this.#members) if (member.state !== "ended") this.#orders.stop(member);
    this.#isOver = true;
    void this.#archive.conclude(this.#wasStopped).then((result) => this.#finish(result));
  }

  #finish(result: Explained<K["result"]> | AppError): void {
    this.#isOver = true;
    clearInterval(this.#tick);
    this.#hold.end();
    this.#closeInbox();
    if (result instanceof AppError) this.#reject(result);
    else this.#resolve(result);
    this.#becomeReady();
  }
}
