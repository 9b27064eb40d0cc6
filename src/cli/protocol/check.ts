// Runs `fourtuple protocol check`: runs both sides of a protocol file against each other, in memory and over real
// connections.
import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { connect } from "../../client/connect.js";
import { print, sentence } from "../../output/terminal/output.js";
import { loadFirst } from "../../protocols/scripted/file/load-first.js";
import { indexRows } from "../../protocols/scripted/file/row-index.js";
import { Rows } from "../../protocols/scripted/file/rows.js";
import { forbidInHandlers } from "../../protocols/scripted/forbidden.js";
import { TRIAL_CALLS } from "../../protocols/scripted/trial/pair.js";
import { assertBothSides, tryOut } from "../../protocols/scripted/trial/trial.js";
import { parseAddress } from "../../protocols/spec/address.js";
import { scriptedSpec } from "../../protocols/spec/scripted.js";
import type { ConnectResult } from "../../results/connect.js";
import { serve } from "../../server/serve.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { printable } from "../../util/printable.js";
import { formatBytes, formatCount, formatDuration } from "../../util/units.js";
import { supervise } from "../supervise.js";

/** Options as parsed from the command line. */
export interface ProtocolCheckOptions {
  readonly connections?: number;
  readonly duration?: number;
  readonly data?: string;
}

const CONNECTIONS = 10_000;
const DURATION_MS = 5000;

/** @returns the exit code: 1 if a check failed */
export async function runProtocolCheck(file: string, options: ProtocolCheckOptions): Promise<number> {
  const { connections = CONNECTIONS, duration = DURATION_MS, data } = options;
  const script = await loadFirst(file);
  const { definition } = script;
  assertBothSides(definition, file);
  const scheme = definition.over === "websocket" ? "ws" : "tcp";
  const address = parseAddress(`${scheme}://127.0.0.1:1`);
  const specOf = (side: "client" | "server") =>
    scriptedSpec(address, { protocol: file, data }, { script, side }, undefined);
  const specs = { client: specOf("client"), server: specOf("server") };
  const rows = data === undefined ? undefined : new Rows(indexRows(resolve(data), definition.data ?? []), true);
  say(`${definition.name} (${file}): client and server over ${scheme === "ws" ? "WebSocket" : "a byte stream"}`, "");
  // Check in a thread first: a handler that loops forever can be killed there, but not in this thread.
  const load = await runLoad(file, scheme, { connections, duration, data });
  const { report, late } = await tryOutHere(() => tryOut(definition, specs, rows), script.file);
  const { slotBytes, usPerEvent, checks } = report;
  rows?.close();
  const { client, server } = slotBytes;
  say(row("state", `${formatBytes(client)} per connection (client), ${formatBytes(server)} (server)`));
  say(row("an event", usPerEvent === undefined ? "not measured" : `${usPerEvent.toFixed(2)} µs`));
  const all = [...checks, ...late, load];
  for (const { name, problem, facts } of all as Checked[]) {
    say(row(name, problem === undefined ? (facts ?? "ok") : `FAILED: ${problem}`));
  }
  return all.some(({ problem }) => problem !== undefined) ? 1 : 0;
}

interface Checked {
  readonly name: string;
  readonly problem: string | undefined;
  readonly facts?: string;
}

/**
 * Runs the trial in this thread. Errors that the user's code throws after its handlers have returned are caught,
 * too.
 */
async function tryOutHere<T>(run: () => T, file: string): Promise<{ readonly report: T; readonly late: Checked[] }> {
  let thrown: unknown;
  const note = (error: unknown) => {
    thrown ??= error ?? new Error(`it threw ${error}`);
  };
  forbidInHandlers(TRIAL_CALLS);
  process.on("uncaughtException", note);
  try {
    const report = run();
    await setImmediate();
    const problem = thrown === undefined ? undefined : `${sentence(thrown)}\n  in ${file}`;
    return { report, late: problem === undefined ? [] : [{ name: "outside of handlers", problem }] };
  } finally {
    process.off("uncaughtException", note);
  }
}

/** Runs both sides over real connections on loopback. */
async function runLoad(
  file: string,
  scheme: string,
  { connections, duration, data }: Required<Omit<ProtocolCheckOptions, "data">> & { data: string | undefined },
): Promise<Checked> {
  const name = `${formatCount(connections)} connections`;
  const errors: string[] = [];
  const server = await serve({ at: `${scheme}://127.0.0.1:0`, protocol: file, data, log: "none" });
  server.on("handlerFailed", (text) => errors.push(text));
  try {
    const to = `${scheme}://${formatEndpoint(server.address.ip, server.address.port)}`;
    const run = await connect({ to, protocol: file, data, connections, durationMs: duration });
    run.on("handlerFailed", (text) => errors.push(text));
    const result = await supervise(run);
    await server.stop();
    return { name, problem: problemOf(result, errors), facts: factsOf(result) };
  } finally {
    await server.stop();
  }
}

function problemOf({ failures, losses, misses }: ConnectResult, errors: readonly string[]): string | undefined {
  if (errors.length > 0) return errors[0];
  if (misses.length === 0) return undefined;
  const reasons = [...failures, ...losses].map(
    ({ phase, errno, count }) => `${formatCount(count)} × ${errno} (${phase})`,
  );
  const missed = misses.map(({ kind, count, of }) => `${formatCount(count)} of ${formatCount(of)} ${kind}`);
  return [...missed, ...reasons].join(", ");
}

function factsOf({ ready = 0, holdMs, messages, latency }: ConnectResult): string {
  const { p50Us, p99Us, count } = latency.roundTrip;
  const answered = messages ? `, ${formatCount(messages.answered)} messages answered` : "";
  const times = count > 0 ? ` (p50 ${formatDuration(p50Us / 1000)}, p99 ${formatDuration(p99Us / 1000)})` : "";
  return `${formatCount(ready)} ready for ${formatDuration(holdMs)}${answered}${times}`;
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(22)} ${text}`;
}

/** An error's stack spans several lines. */
function say(...texts: readonly string[]): void {
  for (const text of texts) print(text.split("\n").map(printable).join("\n    "));
}
