// Client of the message workload with fourtuple's public API. Prints "ready" and reads lines "<messages per second>
// <warm-up ms> <measured ms>". A run of connect() has one rate, so each line opens the connections anew. Prints
// "measuring" after the warm-up, and a line of JSON about the answers in the measured time. Latencies come from the
// library and are measured from the due time of a message.
// Usage: echo-client.mjs <port> <connections> <bytes per message>
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "fourtuple";
import { engine, placeOptions, serverIp } from "./engine.mjs";

// Other programs do not use this address, so all its ports are free.
const SOURCE = { first: { family: /** @type {4} */ (4), bytes: Uint8Array.of(127, 5, 0, 1) }, count: 1 };
const POLL_MS = 20;
const CATCH_UP_POLLS = 50;
const POLLS_WITHOUT_GAIN = 5;
const GAIN = 1.03;
const CATCH_UP_POLL_MS = 200;
const CAUGHT_UP_US = 50_000;

const [port, connections, size] = process.argv.slice(2).map(Number);
console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const [ratePerSec, warmUpMs, measuredMs] = line.split(" ").map(Number);
  await measure(ratePerSec, warmUpMs, measuredMs);
}

/**
 * @param {number} ratePerSec
 * @param {number} warmUpMs
 * @param {number} measuredMs
 */
async function measure(ratePerSec, warmUpMs, measuredMs) {
  const run = await connect({
    to: `${serverIp}:${port}`,
    connections,
    ...placeOptions([SOURCE]),
    message: "m".repeat(size),
    messageRatePerSec: ratePerSec / connections,
    durationMs: Number.POSITIVE_INFINITY,
    close: "rst",
    engine,
  });
  for await (const { stage } of run.snapshots(POLL_MS)) if (stage !== "ramp") break;
  await delay(warmUpMs);
  await caughtUp(run, ratePerSec);
  const fromMs = performance.now();
  console.log("measuring");
  await delay(measuredMs);
  const seconds = (performance.now() - fromMs) / 1000;
  const { count: answered, p50Us, p99Us, p999Us, maxUs } = run.latency().roundTrip;
  // Read this before the run ends, so that the cost of closing is not attributed to messages.
  console.log(JSON.stringify({ answered, seconds, p50Us, p99Us, p999Us, maxUs }));
  const { established, failures, losses } = await run.stop();
  if (established < connections || losses.length > 0) {
    throw new Error(`${established} were established, ${JSON.stringify([...failures, ...losses])}`);
  }
}

/**
 * Waits until the run has caught up with its schedule, if the rate allows it. The library starts sending with the first
 * connection, from new threads, so thread start-up and opening connections delay its first messages.
 *
 * @param {import("fourtuple").ConnectRun} run the run, whose latencies are reset afterwards
 * @param {number} ratePerSec
 */
async function caughtUp(run, ratePerSec) {
  const enough = ((GAIN * ratePerSec) / 1000) * CATCH_UP_POLL_MS;
  for (let polls = 0, idle = 0; polls < CATCH_UP_POLLS && idle < POLLS_WITHOUT_GAIN; polls++) {
    run.resetLatency();
    await delay(CATCH_UP_POLL_MS);
    const { count, maxUs } = run.latency().roundTrip;
    if (count > 0 && maxUs < CAUGHT_UP_US) break;
    if (count < enough) idle++;
  }
  run.resetLatency();
}
