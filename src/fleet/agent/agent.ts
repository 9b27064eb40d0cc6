// The agent: answers coordinators, takes part in one run at a time, and goes back to waiting however a run ends.
import { EventEmitter } from "node:events";
import type { ConnectResult } from "../../results/connect.js";
import type { ServeResult } from "../../results/serve.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { type Bus, SUBJECTS } from "../bus.js";
import {
  type AgentRequest,
  type Announcement,
  type Beat,
  type Part,
  type Prepared,
  parseRequest,
} from "../messages.js";
import { toFailure } from "../refusals.js";
import { isServerSpec } from "../server-spec.js";
import type { RunStore } from "../store.js";
import { AgentRun } from "./agent-run.js";
import { Deliveries } from "./delivery.js";
import type { AgentEvents, AgentIdentity } from "./events.js";
import type { AgentHost, HostReports } from "./host.js";

export class Agent extends EventEmitter<AgentEvents> {
  readonly identity: AgentIdentity;
  readonly #bus: Bus;
  readonly #host: AgentHost;
  readonly #unsubscribes: readonly (() => void)[];
  readonly #deliveries: Deliveries;
  #run: AgentRun | undefined;
  /** The run whose load is being prepared. */
  #preparing: string | undefined;
  /** The last preparation. A coordinator asks again if NATS restarts before it has the answer. */
  #preparation: { readonly request: string; readonly answer: Promise<object> } | undefined;
  /** Loads that the run has taken over, by the coordinator's name for them. */
  readonly #extensions = new Map<string, Promise<void>>();
  /** A run that was stopped while its load was being prepared. */
  #cancelled: string | undefined;
  /** Connections of the load that is prepared; 0 for a server. */
  #connections = 0;
  /** What NATS last refused. */
  #said: string | undefined;
  #isClosed = false;

  constructor(identity: AgentIdentity, bus: Bus, store: RunStore, host: AgentHost) {
    super();
    this.identity = identity;
    this.#bus = bus;
    this.#deliveries = new Deliveries(bus, store, (run, reason) => this.emit("undelivered", run, reason));
    this.#host = host;
    this.#unsubscribes = [
      bus.subscribe(SUBJECTS.agents, (_, answer) => {
        answer?.(this.announcement());
        void this.#checkBus();
      }),
      bus.subscribe(SUBJECTS.agent(identity.id), (message, answer) => void this.#answer(message, answer)),
    ];
  }

  /** Id of the run in progress. */
  get run(): string | undefined {
    return this.#run?.id ?? this.#preparing;
  }

  announcement(): Announcement {
    return { ...this.identity, ...this.#host.describe(), run: this.run };
  }

  /** Ends the run in progress, delivers its result, and stops answering. The caller closes the bus. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    const run = this.#run;
    run?.stop("the agent was stopped");
    await run?.done.catch(() => undefined);
    // The listener of `done` was added before this one, and has begun to deliver the result.
    await this.#deliveries.end();
    run?.announceEnd();
  }

  async #answer(message: unknown, answer: ((answer: object) => void) | undefined): Promise<void> {
    const request = parseRequest(message);
    try {
      if (!request) throw fleetError("the coordinator's request cannot be read", "use the same version of fourtuple");
      const said = await this.#handle(request);
      answer?.(said);
    } catch (error) {
      this.emit("refused", (error as Error).message);
      answer?.(toFailure(error));
    }
  }

  /** Says what NATS does not let this agent answer, once. */
  async #checkBus(): Promise<void> {
    try {
      await this.#bus.check();
    } catch (error) {
      const { message } = error as Error;
      // The subjects of answers differ.
      const words = message.replace(/_INBOX\.[^"]*/, "_INBOX.>");
      if (words !== this.#said) this.emit("refused", words);
      this.#said = words;
    }
  }

  async #handle(request: AgentRequest): Promise<object> {
    if (request.ask === "clock") return { nowMs: Date.now() };
    if (request.ask === "ceiling") return this.#host.ceiling(request.spec);
    if (request.ask === "prepare") return this.#prepareOnce(request);
    const run = this.#run;
    if (request.ask === "stop") {
      if (this.#preparing === request.run) this.#cancelled = request.run;
      // The coordinator repeats this until it has the result.
      if (run?.id === request.run) run.stop();
      return {};
    }
    if (run?.id !== request.run) {
      throw fleetError(`takes no part in run ${quoted(request.run)}`, "start the run again");
    }
    if (request.ask === "start") {
      if (!run.isStarted && this.#connections > 0) this.emit("started", run.id, this.#connections);
      run.start(request.atMs);
    } else {
      const before = this.#extensions.get(request.extension);
      const extended = before ?? this.#extend(run, request);
      this.#extensions.set(request.extension, extended);
      await extended;
    }
    return {};
  }

  async #extend(run: AgentRun, { spec, total }: AgentRequest & { ask: "extend" }): Promise<void> {
    const prepared = await this.#host.prepare(spec, total);
    // Otherwise the coordinator would count connections that nobody opens.
    if (!run.extend(prepared)) throw fleetError(`run ${run.id} is ending`, "start the run again");
  }

  #prepareOnce(request: AgentRequest & { ask: "prepare" }): Promise<object> {
    const text = JSON.stringify(request);
    if (this.#preparation?.request === text && this.run === request.run) return this.#preparation.answer;
    const answer = this.#prepare(request);
    this.#preparation = { request: text, answer };
    return answer;
  }

  async #prepare(request: AgentRequest & { ask: "prepare" }): Promise<object> {
    const { version } = this.identity;
    if (request.version !== version) {
      throw fleetError(
        `the agent has version ${version} of fourtuple, and the coordinator ${quoted(request.version)}`,
        "install the same version on both",
      );
    }
    const busy = this.run;
    if (busy !== undefined && (busy !== request.run || this.#preparing !== undefined || this.#run?.isStarted)) {
      throw fleetError(`busy with run ${busy}`, "wait until that run has ended, or stop it: fourtuple fleet stop");
    }
    this.#preparing = request.run;
    const beat = () => this.#bus.publish(SUBJECTS.beats(request.run), { agent: this.identity.id } satisfies Beat);
    beat();
    // Nobody hears this. It shows whether the server will take the result.
    this.#bus.publish(SUBJECTS.parts(request.run), {});
    const beats = setInterval(beat, request.timing.heartbeatMs);
    try {
      // Its addresses may be needed again.
      await this.#run?.discard();
      const prepared = await this.#host.prepare(request.spec, request.total, this.#reportsOf(request.run));
      if (this.#isClosed || this.#cancelled === request.run) {
        await prepared.discard();
        throw fleetError(this.#isClosed ? "the agent is stopping" : "the run was stopped", "start the run again");
      }
      this.#connections = isServerSpec(request.spec) ? 0 : request.spec.connections;
      if (this.#run) {
        if (!this.#run.replace(prepared)) throw fleetError(`run ${request.run} is ending`, "start the run again");
      } else this.#take(new AgentRun(request.run, this.identity.id, this.#bus, request.timing, prepared));
      const { tuplesAvailable, address } = prepared;
      // An agent whose heartbeats do not arrive, or that does not hear of the lease, would be lost without a reason.
      await this.#bus.check();
      if (address) this.emit("listening", request.run, address);
      return { tuplesAvailable, address } satisfies Prepared;
    } finally {
      clearInterval(beats);
      this.#preparing = undefined;
    }
  }

  #reportsOf(run: string): HostReports {
    return {
      code: (text) => this.emit("code", run, text),
      changing: (settings) => this.emit("changing", run, settings),
      needed: (settings) => this.emit("needed", run, settings),
      left: (outcomes) => this.emit("left", run, outcomes),
      leftovers: (outcomes) => this.emit("leftovers", outcomes),
    };
  }

  #take(run: AgentRun): void {
    this.#run = run;
    this.#extensions.clear();
    run.done.then(
      (result) => {
        const { stopReason: reason, isLapsed } = run;
        this.#finish(run, { agent: this.identity.id, result, reason, isLapsed }, reason);
      },
      (error) => this.#finish(run, { agent: this.identity.id, ...toFailure(error) }, (error as Error).message),
    );
  }

  /** Waits for the next run first: delivering the result may take long, or be in vain. */
  #finish(
    run: AgentRun,
    part: Part & { result?: ConnectResult | ServeResult | undefined },
    reason: string | undefined,
  ): void {
    this.#run = undefined;
    this.emit("ended", run.id, part.result, reason);
    this.#deliveries.begin(run.id, part);
  }
}

function fleetError(message: string, fix: string): AppError {
  return new AppError("E_FLEET", message, { fix });
}
