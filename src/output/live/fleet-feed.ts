// The live page's view of a fleet's run: the sums of its agents' counters, and a row for each agent.
import { type ConnectSnapshot, STAGES } from "../../client/snapshot.js";
import type { FleetRun } from "../../fleet/coordinator/fleet-run.js";
import type { Member } from "../../fleet/coordinator/member.js";
import type { ClientKind, Kind, ServerKind } from "../../fleet/coordinator/roles/kind.js";
import { failuresOf } from "../../fleet/sums/failures.js";
import { histogramOf } from "../../fleet/sums/latencies.js";
import { formatCount, plural } from "../../util/units.js";
import { RateMeter } from "../terminal/rate-meter.js";
import { CONNECT_PHASES, COUNT_COLUMNS, latenciesOf, latencyColumns, titleOfSpec } from "./connect-feed.js";
import type { Column, LatencyKind, LiveAgent, LiveFeed, LiveHead, LiveNow } from "./feed.js";
import { LatencyWindow, NOTHING, type Percentiles } from "./latency-window.js";

const columns = (...names: string[]): Column[] => names.map((name) => ({ name, merge: "last" }));

export function connectFleetFeed(run: FleetRun<ClientKind>): LiveFeed {
  const { spec, members } = run;
  const latencies = latenciesOf(spec);
  const windows = new FleetWindows(run, latencies);
  const rows = new AgentRows<ClientKind>(members, ({ ready }) => ready, stageOf);
  return {
    head: {
      ...headOf("connect", `${titleOfSpec(spec)} from ${plural(members.length, "agent")}`),
      requested: spec.connections,
      phases: CONNECT_PHASES,
      latencies,
      columns: [...columns(...COUNT_COLUMNS, "agentCores"), ...latencies.flatMap(latencyColumns)],
    },
    read() {
      const snapshot = run.snapshot();
      const { elapsedMs, open, established, failed, lost, inFlight, sentMessages, answeredMessages } = snapshot;
      const phase = STAGES.indexOf(snapshot.stage);
      const counts = [open, established, failed, lost, inFlight, sentMessages, answeredMessages];
      return {
        row: [Math.round(elapsedMs), phase, ...counts, rows.cores(), ...windows.take()],
        now: { ...nowOf(phase, elapsedMs, snapshot.leftMs), failures: failuresOf(members), agents: rows.read() },
      };
    },
  };
}

export function serveFleetFeed(run: FleetRun<ServerKind>): LiveFeed {
  const rows = new AgentRows<ServerKind>(
    run.members,
    ({ accepted }) => accepted,
    () => "accepting",
  );
  let phase = 0;
  const end = () => {
    phase = 1;
  };
  run.done.then(end, end);
  return {
    head: {
      ...headOf("serve", plural(run.members.length, "agent")),
      requested: undefined,
      latencies: [],
      phases: ["accepting", "closed"],
      columns: columns(
        ...["elapsedMs", "phase", "open", "established", "failed", "lost", "receivedBytes", "sentBytes", "agentCores"],
      ),
    },
    read() {
      const { elapsedMs, open, accepted, rejected, resets, receivedBytes, sentBytes, isPaused } = run.snapshot();
      const notes = isPaused ? ["Accepting is paused on an agent that is running low on memory or open files."] : [];
      return {
        row: [Math.round(elapsedMs), phase, open, accepted, rejected, resets, receivedBytes, sentBytes, rows.cores()],
        now: { ...nowOf(phase, elapsedMs, undefined), failures: failuresOf(run.members), notes, agents: rows.read() },
      };
    },
  };
}

function headOf(role: LiveHead["role"], title: string): Pick<LiveHead, "role" | "title" | "startedAt" | "ports"> {
  return { role, title, startedAt: new Date().toISOString(), ports: undefined };
}

function nowOf(phase: number, elapsedMs: number, leftMs: number | undefined): Omit<LiveNow, "failures"> {
  return { phase, elapsedMs, leftMs, limits: [], binding: undefined, ports: [], notes: [] };
}

function stageOf({ stage }: ConnectSnapshot): string {
  return CONNECT_PHASES[STAGES.indexOf(stage)]!;
}

/** Percentiles over all agents between two heartbeats. */
class FleetWindows {
  readonly #run: FleetRun<ClientKind>;
  readonly #kinds: readonly (LatencyKind & { readonly window: LatencyWindow })[];
  #takenMs = performance.now();

  constructor(run: FleetRun<ClientKind>, kinds: readonly LatencyKind[]) {
    this.#run = run;
    this.#kinds = kinds.map((kind) => ({ ...kind, window: new LatencyWindow() }));
  }

  take(): Percentiles[number][] {
    const nowMs = performance.now();
    // A shorter interval would have the latencies of some agents only.
    const isDue = nowMs - this.#takenMs >= this.#run.heartbeatMs;
    if (isDue) this.#takenMs = nowMs;
    return this.#kinds.flatMap(({ name, window }) =>
      isDue ? window.take(histogramOf(this.#run.members, `${name}Us`)) : NOTHING,
    );
  }
}

/** Rows about agents, with the rates between two heartbeats. */
class AgentRows<K extends Kind> {
  readonly #members: readonly Member<K>[];
  readonly #count: (snapshot: K["snapshot"]) => number;
  readonly #stage: (snapshot: K["snapshot"]) => string;
  readonly #meters: readonly RateMeter[];

  /** @param count connections so far, whose growth is the rate */
  constructor(
    members: readonly Member<K>[],
    count: (snapshot: K["snapshot"]) => number,
    stage: (snapshot: K["snapshot"]) => string,
  ) {
    this.#members = members;
    this.#count = count;
    this.#stage = stage;
    this.#meters = members.map(() => new RateMeter());
  }

  /** Returns how many cores all agents use together. */
  cores(): number {
    const sum = this.#members.reduce((total, { state, cores }) => total + (state === "active" ? cores : 0), 0);
    return Math.round(sum * 100) / 100;
  }

  read(): LiveAgent[] {
    return this.#members.map((member, n) => {
      const { name, state, reason, requested, snapshot, cores } = member;
      const isActive = state === "active";
      return {
        name,
        state: isActive ? (snapshot ? this.#stage(snapshot) : "starting") : state,
        isLost: !isActive && state !== "ended",
        text: reason ?? (requested > 0 ? `${formatCount(requested)} requested` : ""),
        open: isActive ? (snapshot?.open ?? 0) : 0,
        ratePerSec: isActive && snapshot ? this.#meters[n]!.take(snapshot.elapsedMs, this.#count(snapshot)) : 0,
        cores: isActive ? cores : 0,
        failed: this.#failed(snapshot),
      };
    });
  }

  /** Connections that failed or were lost. */
  #failed(snapshot: K["snapshot"] | undefined): number {
    const {
      failed = 0,
      lost = 0,
      resets = 0,
    } = (snapshot ?? {}) as Partial<Record<"failed" | "lost" | "resets", number>>;
    return failed + lost + resets;
  }
}
