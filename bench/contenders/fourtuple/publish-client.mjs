// Publishes with fourtuple's public API with quality of service 0; more messages are due than the broker can read.
// Prints "ready", waits for a line, connects, publishes for the given time, prints a line of JSON at its beginning and
// its end, and exits when its input ends.
// Usage: publish-client.mjs <port> <connections> <bytes per message> <ms>
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "fourtuple";
import { engine } from "./engine.mjs";

const TOO_MANY_PER_SEC = 2_000_000;
const WARM_UP_MS = 1000;
const POLL_MS = 20;

const [port, connections, size, measuredMs] = process.argv.slice(2).map(Number);
console.log("ready");
await once(process.stdin, "data");
const run = await connect({
  to: `mqtt://127.0.0.1:${port}`,
  connections,
  mqttVersion: "3.1.1",
  publish: "load/%i",
  messageBytes: Math.max(24, size),
  messageRatePerSec: TOO_MANY_PER_SEC / connections,
  durationMs: Number.POSITIVE_INFINITY,
  close: "rst",
  engine,
});
for await (const { stage } of run.snapshots(POLL_MS)) if (stage !== "ramp") break;
await delay(WARM_UP_MS);
const [before, cpu] = [run.snapshot().sentMessages, process.cpuUsage()];
console.log("{}");
await delay(measuredMs);
const { user, system } = process.cpuUsage(cpu);
const sent = run.snapshot().sentMessages - before;
console.log(JSON.stringify({ sent, cpuSeconds: (user + system) / 1e6 }));
process.stdin.resume();
await once(process.stdin, "end");
await run.stop();
process.exit(0);
