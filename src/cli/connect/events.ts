// `connect --json`: prints the events of a run, see client/event-stream.ts.

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

  constructor(run: ConnectRun) {
    this.#run = run;
    print({ event: "started", pid: process.pid, spec: run.spec });
    // Of a single connection only.
    run.on("opened", (local) => print({ event: "opened", ...local }));
    run.on("received", (text) => this.#received(text));
    // Unreferenced: the run keeps the process alive, not what is told of it.
    this.#timer = setInterval(() => this.#poll(), POLL_MS).unref();
  }

  /** Nothing more but the result. */
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

  /** Prints a snapshot in which something is new, unless nobody reads. */
  #poll(): void {
    const snapshot = this.#run.snapshot();
    const { elapsedMs: _, leftMs: __, wanted: ___, ...counts } = snapshot;
    const state = Object.values(counts).join();
    if (state === this.#last || isOutputBehind()) return;
    this.#last = state;
    print({ event: "snapshot", ...snapshot });
  }
}

/** What a run came to counts more than what is told of it: an event that cannot be written does not end the run. */
function print(event: ConnectEvent): void {
  printEvent(event);
}
