// Output format of `connect --json`: one event per line during the run, then the result on the last line. Programs that
// start the command, such as the demo and the lab, parse it here.

import type { RunSpec } from "../planning/run-spec.js";
import type { ConnectResult } from "../results/connect.js";
import type { Subprocess } from "../util/subprocess.js";
import type { ConnectSnapshot } from "./snapshot.js";

export interface StartedEvent {
  readonly event: "started";
  readonly pid: number;
  readonly spec: RunSpec;
  /** Address of the live page, with its token; undefined if there is no page. */
  readonly ui: string | undefined;
  /** Address of the metrics; undefined if they are not served. */
  readonly metrics: string | undefined;
}

export type ConnectEvent =
  | StartedEvent
  /** Emitted at most five times per second, and only after a change. */
  | ({ readonly event: "snapshot" } & ConnectSnapshot)
  /** Emitted for a single connection only, once it is ESTABLISHED; has its local address. */
  | { readonly event: "opened"; readonly ip: string; readonly port: number }
  /** Emitted for a single connection only: text that it received. */
  | { readonly event: "received"; readonly text: string }
  /** Number of bytes received but not printed because the reader of the output was too slow. */
  | { readonly event: "notPrinted"; readonly bytes: number }
  | ({ readonly event: "result" } & ConnectResult);

/** Calls `listener` for the first event printed by `connect --json`. */
export function onStarted(client: Subprocess, listener: (event: StartedEvent) => void): void {
  client.once("line", (line) => listener(JSON.parse(line)));
}

/** Calls `listener` for each snapshot printed by `connect --json`. */
export function onSnapshot(client: Subprocess, listener: (snapshot: ConnectSnapshot) => void): void {
  client.on("line", (line) => {
    const event: ConnectEvent = JSON.parse(line);
    if (event.event === "snapshot") listener(event);
  });
}

/**
 * Returns the JSON object on the last line of output, or undefined if that line is not JSON or is an event other than
 * the result.
 */
export function lastResult(stdout: string): unknown {
  try {
    const last = JSON.parse(stdout.trim().split("\n").at(-1)!);
    return last.event === undefined || last.event === "result" ? last : undefined;
  } catch {
    return undefined;
  }
}
