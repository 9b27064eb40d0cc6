// Requests with fourtuple's public API. Prints "ready" and reads lines "<measured ms> [<requests per second>]"; without
// a rate, more requests are due than the server can answer. Prints a line of JSON about the requests.
// Usage: http-client.mjs <port> <connections>
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "fourtuple";
import { engine } from "./engine.mjs";

const TOO_MANY_PER_SEC = 120_000;
const WARM_UP_MS = 500;
const POLL_MS = 20;

const [port, connections] = process.argv.slice(2).map(Number);
console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const [measuredMs, ratePerSec = TOO_MANY_PER_SEC] = line.split(" ").map(Number);
  const run = await connect({
    to: `http://127.0.0.1:${port}/`,
    connections,
    messageRatePerSec: ratePerSec / connections,
    durationMs: Number.POSITIVE_INFINITY,
    close: "rst",
    engine,
  });
  for await (const { stage } of run.snapshots(POLL_MS)) if (stage !== "ramp") break;
  await delay(WARM_UP_MS);
  run.resetLatency();
  const [fromMs, cpu] = [performance.now(), process.cpuUsage()];
  await delay(measuredMs);
  const { user, system } = process.cpuUsage(cpu);
  const { count: requests, p50Us, p99Us } = run.latency().roundTrip;
  const seconds = (performance.now() - fromMs) / 1000;
  const { failed, lost, responses } = await run.stop();
  const isFailed = failed + lost > 0 || responses?.["2xx"] === 0;
  const cpuSeconds = (user + system) / 1e6;
  console.log(JSON.stringify({ requests, seconds, cpuSeconds, failed: isFailed, p50Us, p99Us }));
}
