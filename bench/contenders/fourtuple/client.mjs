// Client with fourtuple's public API. Prints "ready", waits for a line, opens the connections, prints a line when they
// are held, holds them until its standard input ends, resets them, and prints the times by its own clock, which only
// the result contains. With --kernel-ports, the kernel chooses this many source ports of each source address. With
// --within, it stops after that many seconds and reports how far it got. Usage: client.mjs [--kernel-ports] [--within
// N] <port> <connections> <ports per source address> <window>
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect } from "fourtuple";
import { engine, placeOptions, scheme, serverIp } from "./engine.mjs";

const FIRST_PORT = 1024;
const POLL_MS = 20;

const { values, positionals } = parseArgs({
  options: { "kernel-ports": { type: "boolean" }, within: { type: "string" } },
  allowPositionals: true,
});
const [port, connections, portsPerSource, window] = positionals.map(Number);
const within = Number(values.within ?? Number.POSITIVE_INFINITY);
// Avoid 127.0.0.1, where the kernel would have to skip the ports of other programs.
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
  to: `${scheme}${serverIp}:${port}`,
  connections,
  ...ports,
  ...placeOptions(ports.sources),
  concurrency: window,
  durationMs: Number.POSITIVE_INFINITY,
  close: "rst",
  engine,
  // A server without a certificate generates a self-signed one.
  ...(/^(tls|wss)/.test(scheme) && { insecure: true }),
});
for await (const { stage, established, failed } of run.snapshots(POLL_MS)) {
  const seconds = (performance.now() - startMs) / 1000;
  if (stage === "ramp" && seconds < within) continue;
  print(stage === "ramp" ? { established, failed, isUnfinished: true } : { established, failed });
  // Stop polling, so that the process's CPU use while holding is that of the library.
  break;
}
// A run that has lost all its connections ends by itself.
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
