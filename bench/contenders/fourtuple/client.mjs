// Our client as a contender of the benchmark, through the public API. It prints "ready", waits for a line, opens the
// connections, prints a line when they are held, holds them until its standard input ends, resets them, and prints
// what only the result knows: the times of its own clock.
// With --kernel-ports the kernel chooses the source ports, and so many are wanted of each source address. What is not
// done --within so many seconds is left, and the line says how far it came.
// Usage: client.mjs [--kernel-ports] [--within N] <port> <connections> <ports per source address> <window>
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect } from "fourtuple";
import { engine } from "./engine.mjs";

const FIRST_PORT = 1024;
const LOOK_MS = 20;

const { values, positionals } = parseArgs({
  options: { "kernel-ports": { type: "boolean" }, within: { type: "string" } },
  allowPositionals: true,
});
const [port, connections, portsPerSource, window] = positionals.map(Number);
const within = Number(values.within ?? Number.POSITIVE_INFINITY);
// 127.0.0.1 is everybody's: the kernel would have to look past their ports.
const FIRST_SOURCE = { family: /** @type {const} */ (4), bytes: Uint8Array.of(127, 0, 0, 2) };
const ports = values["kernel-ports"]
  ? {
      sourcePorts: /** @type {const} */ ("kernel"),
      sources: [{ first: FIRST_SOURCE, count: Math.ceil(connections / portsPerSource) }],
    }
  : { sourcePorts: { first: FIRST_PORT, last: FIRST_PORT + portsPerSource - 1 } };
const lines = createInterface(process.stdin);
const ended = new Promise((resolve) => lines.once("close", () => resolve(undefined)));
console.log("ready");
await new Promise((resolve) => lines.once("line", resolve));

const startMs = performance.now();
const run = await connect({
  to: `127.0.0.1:${port}`,
  connections,
  ...ports,
  concurrency: window,
  durationMs: Number.POSITIVE_INFINITY,
  close: "rst",
  engine,
});
for await (const { stage, established, failed } of run.snapshots(LOOK_MS)) {
  const seconds = (performance.now() - startMs) / 1000;
  if (stage === "ramp" && seconds < within) continue;
  print(stage === "ramp" ? { established, failed, isUnfinished: true } : { established, failed });
  // From here on nobody looks: what the process uses while it holds is the library's own.
  break;
}
// A run that lost all its connections ends by itself.
await Promise.race([ended, run.done]);
const result = await run.stop();
const { established, failed, failures, lost, losses, setupMs, rampMs, closeMs, kernel, threads } = result;
print({
  established,
  failed,
  failures,
  lost,
  losses,
  seconds: rampMs / 1000,
  setupSeconds: setupMs / 1000,
  closeSeconds: closeMs / 1000,
  ownKernelCount: kernel,
  threads,
  stoppedBy: result.diagnosis?.finding,
});
lines.close();

/** @param {object} facts */
function print(facts) {
  console.log(JSON.stringify(facts));
}
