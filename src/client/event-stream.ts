// What `connect --json` prints: an event a line while the run lasts, its result as the last. Whoever runs it as a program of its own, as the
// demo and the lab do, reads them here.

import type { RunSpec } from "../planning/run-spec.js";
import type { ConnectResult } from "../results/connect.js";
import type { Subprocess } from "../util/subprocess.js";
import type { ConnectSnapshot } from "./snapshot.js";

export type ConnectEvent =
  | { readonly event: "started"; readonly pid: number; readonly spec: RunSpec }
  /** Five times a second at most, and only when something has changed. */
  | ({ readonly event: "snapshot" } & ConnectSnapshot)
  /** Of a single connection: it is ESTABLISHED, from this address. */
  | { readonly event: "opened"; readonly ip: string; readonly port: number }
  /** Of a single connection: what it read. */
  | { readonly event: "received"; readonly text: string }
  /** What was received and left out, because nobody read what was printed. */
  | { readonly event: "notPrinted"; readonly bytes: number }
  | ({ readonly event: "result" } & ConnectResult);

/** Calls `listener` with each snapshot that a `connect --json` prints. */
export function onSnapshot(client: Subprocess, listener: (snapshot: ConnectSnapshot) => void): void {
  client.on("line", (line) => {
    const event: ConnectEvent = JSON.parse(line);
    if (event.event === "snapshot") listener(event);
  });
}

/** The JSON that a command has printed last; undefined when that is none, or an event before its result. */
export function lastResult(stdout: string): unknown {
  try {
    const last = JSON.parse(stdout.trim().split("\n").at(-1)!);
    return last.event === undefined || last.event === "result" ? last : undefined;
  } catch {
    return undefined;
  }
}
