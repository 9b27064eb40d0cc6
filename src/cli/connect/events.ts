// Prints the events of `connect --json`; see client/event-stream.ts.

import type { ConnectEvent } from "../../client/event-stream.js";
import type { ConnectRun } from "../../client/run.js";
import { isOutputBehind, printEvent, printResult } from "../../output/terminal/output.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import { commandLine } from "../command-line.js";

const POLL_MS = 200;

export class EventPrinter {
  readonly #run: ConnectRun;
  readonly #timer: NodeJS.Timeout;
  #last = "";
  #unprintedBytes = 0;

  /**
   * @param ui address of the run's live page, if there is one
   * @param metrics address of its metrics, if they are served
   */
  constructor(run: ConnectRun, ui: string | undefined, metrics: string | undefined) {
    this.#run = run;
    print({ event: "started", pid: process.pid, spec: run.spec, ui, metrics });
    // Emitted for a single connection only.
    run.on("opened", (local) => print({ event: "opened", ...local }));
    run.on("received", (text) => this.#received(text));
    // The timer is unreferenced, because the run keeps the process alive, not this timer.
    this.#timer = setInterval(() => this.#poll(), POLL_MS).unref();
  }

  /** Stops printing snapshots; only the result follows. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#unprintedBytes > 0) print({ event: "notPrinted", bytes: this.#unprintedBytes });
  }

  result(result: Explained<ConnectResult>): void {
    printResult({ event: "result", ...result, command: commandLine() });
  }

  #received(text: string): void {
    if (isOutputBehind()) this.#unprintedBytes += Buffer.byteLength(text);
    else print({ event: "received", text });
  }

  /** Prints a snapshot if anything has changed, unless the reader of the output has fallen behind. */
  #poll(): void {
    const snapshot = this.#run.snapshot();
    const { elapsedMs: _, leftMs: __, wanted: ___, ...counts } = snapshot;
    const state = Object.values(counts).join();
    if (state === this.#last || isOutputBehind()) return;
    this.#last = state;
    print({ event: "snapshot", ...snapshot });
  }
}

/** Prints an event. A failed write does not end the run, because its result matters more than its events. */
function print(event: ConnectEvent): void {
  printEvent(event);
}
