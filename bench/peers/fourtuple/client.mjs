// Our client as a peer of the benchmark, through the public API. It prints "ready", waits for a line, opens the
// connections, prints a line when they are held, holds them until its standard input ends, resets them, and prints
// what only the result knows: the times of its own clock.
// Usage: client.mjs <port> <connections> <ports per source address> <window>
import { createInterface } from "node:readline";
import { connect, explainRun } from "fourtuple";

const FIRST_PORT = 1024;
const LOOK_MS = 20;

const [port, connections, portsPerSource, window] = process.argv.slice(2);
const lines = createInterface(process.stdin);
const ended = new Promise((resolve) => lines.once("close", () => resolve(undefined)));
console.log("ready");
await new Promise((resolve) => lines.once("line", resolve));

const run = await connect({
  to: `127.0.0.1:${port}`,
  connections: Number(connections),
  sourcePorts: { first: FIRST_PORT, last: FIRST_PORT + Number(portsPerSource) - 1 },
  concurrency: Number(window),
  durationMs: Number.POSITIVE_INFINITY,
  close: "rst",
});
for await (const { stage, established, failed } of run.snapshots(LOOK_MS)) {
  if (stage === "ramp") continue;
  print({ established, failed });
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
  stoppedBy: explainRun(result).finding,
});
lines.close();

/** @param {object} facts */
function print(facts) {
  console.log(JSON.stringify(facts));
}
