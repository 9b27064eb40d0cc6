// The live page's view of a lab: its experiments and their verdicts, and the connections of the clients that are running.

import { Headroom } from "../../capacity/limits/headroom.js";
import type { ConnectSnapshot } from "../../client/snapshot.js";
import { readMemoryUse } from "../../engine/memory-use.js";
import type { ExperimentResult } from "../../results/lab/lab.js";
import { plural } from "../../util/units.js";
import type { Column, LiveExperiment, LiveFeed, LiveHead, LiveNow, Row } from "./feed.js";

const COLUMNS: readonly Column[] = [
  "elapsedMs",
  "phase",
  "requested",
  "open",
  "established",
  "failed",
  "lost",
  "sent",
  "answered",
  "kernelBytes",
].map((name) => ({ name, merge: "last" }));

/** Counters that only grow. They keep what clients have counted that have exited. */
const COUNTERS = ["established", "failed", "lost", "sentMessages", "answeredMessages"] as const;

type Announced = Pick<ExperimentResult, "id" | "title" | "claim">;

/** Follows a lab through its events. */
export class LabFeed implements LiveFeed {
  readonly head: LiveHead;
  readonly #experiments: LiveExperiment[];
  readonly #clients = new Map<number, ConnectSnapshot>();
  readonly #exited = { established: 0, failed: 0, lost: 0, sentMessages: 0, answeredMessages: 0 };
  readonly #startMs = performance.now();
  readonly #before = readMemoryUse();
  // The lab's hosts have limits of their own, and its programs are other processes.
  readonly #headroom = new Headroom(["host"]);
  /** Index of the experiment that is running. */
  #phase = 0;

  constructor(experiments: readonly Announced[]) {
    this.#experiments = experiments.map(({ id, title, claim }) => ({
      ...{ id, title, text: claim },
      state: "waiting",
      elapsedMs: undefined,
    }));
    this.head = {
      role: "lab",
      title: plural(experiments.length, "experiment"),
      startedAt: new Date().toISOString(),
      requested: undefined,
      phases: experiments.map(({ id }) => id),
      columns: COLUMNS,
      latencies: [],
      ports: undefined,
    };
  }

  begin(id: string): void {
    this.#phase = this.#experiments.findIndex((each) => each.id === id);
    this.#set({ state: "running" });
  }

  progress(text: string): void {
    this.#set({ text });
  }

  end({ verdict, reason, observed, elapsedMs }: ExperimentResult): void {
    this.#set({ state: verdict, text: reason ?? observed, elapsedMs });
    this.#phase++;
  }

  /** @param snapshot undefined once the client has exited */
  client(id: number, snapshot: ConnectSnapshot | undefined): void {
    const last = this.#clients.get(id);
    if (snapshot) this.#clients.set(id, snapshot);
    else if (last) {
      this.#clients.delete(id);
      for (const name of COUNTERS) this.#exited[name] += last[name];
    }
  }

  read(): { readonly row: Row; readonly now: LiveNow } {
    const elapsedMs = Math.round(performance.now() - this.#startMs);
    const open = this.#sum("open");
    const running = this.#experiments[this.#phase];
    return {
      row: [
        elapsedMs,
        this.#phase,
        this.#sum("requested"),
        open,
        ...COUNTERS.map((name) => this.#exited[name] + this.#sum(name)),
        readMemoryUse().kernelBytes - this.#before.kernelBytes,
      ],
      now: {
        phase: this.#phase,
        elapsedMs,
        leftMs: undefined,
        limits: this.#headroom.take(open).usages,
        binding: undefined,
        failures: undefined,
        ports: [],
        experiments: this.#experiments,
        notes: [running ? `${running.id}: ${running.title}.` : "All experiments have ended."],
      },
    };
  }

  #set(change: Partial<LiveExperiment>): void {
    const before = this.#experiments[this.#phase];
    if (before) this.#experiments[this.#phase] = { ...before, ...change };
  }

  #sum(name: "requested" | "open" | (typeof COUNTERS)[number]): number {
    let sum = 0;
    for (const snapshot of this.#clients.values()) sum += snapshot[name];
    return sum;
  }
}
