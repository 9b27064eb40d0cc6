// Our client of the message workload, through the public API. It prints "ready" and follows lines of input, "<messages per second>
// <warm-up ms> <measured ms>": a run of connect() has one rate, so each line opens the connections anew. It prints
// "measuring" when the warm-up is over, and a line of JSON about the answers of the measured time; latencies
// are the library's own, counted from the moment at which a message was due.
// Usage: echo-client.mjs <port> <connections> <bytes per message>
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "fourtuple";
import { engine } from "./engine.mjs";

// Nobody else's: all its ports are free.
const SOURCE = { first: { family: /** @type {4} */ (4), bytes: Uint8Array.of(127, 5, 0, 1) }, count: 1 };
const LOOK_MS = 20;
const CATCH_UP_LOOKS = 50;
const LOOKS_WITHOUT_GAIN = 5;
const GAIN = 1.03;
const CATCH_UP_LOOK_MS = 200;
const CAUGHT_UP_US = 50_000;

const [port, connections, size] = process.argv.slice(2).map(Number);
console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const [ratePerSec, warmUpMs, measuredMs] = line.split(" ").map(Number);
  await play(ratePerSec, warmUpMs, measuredMs);
}

/**
 * @param {number} ratePerSec
 * @param {number} warmUpMs
 * @param {number} measuredMs
 */
async function play(ratePerSec, warmUpMs, measuredMs) {
  const run = await connect({
    to: `127.0.0.1:${port}`,
    connections,
    sources: [SOURCE],
    message: "m".repeat(size),
    messageRatePerSec: ratePerSec / connections,
    durationMs: Number.POSITIVE_INFINITY,
    close: "rst",
    engine,
  });
  for await (const { stage } of run.snapshots(LOOK_MS)) if (stage !== "ramp") break;
  await delay(warmUpMs);
  await caughtUp(run, ratePerSec);
  const fromMs = performance.now();
  console.log("measuring");
  await delay(measuredMs);
  const seconds = (performance.now() - fromMs) / 1000;
  const { count: answered, p50Us, p99Us, p999Us, maxUs } = run.latency().roundTrip;
  // Before the end of the run: what closing costs is not the messages' cost.
  console.log(JSON.stringify({ answered, seconds, p50Us, p99Us, p999Us, maxUs }));
  const { established, failures, losses } = await run.stop();
  if (established < connections || losses.length > 0) {
    throw new Error(`${established} were established, ${JSON.stringify([...failures, ...losses])}`);
  }
}

/**
 * The library sends from the first connection on, by threads that are new: what their start and the opening have delayed is
 * caught up, if this rate leaves room for that, before anything counts.
 *
 * @param {import("fourtuple").ConnectRun} run its latencies begin anew afterwards
 * @param {number} ratePerSec
 */
async function caughtUp(run, ratePerSec) {
  const enough = ((GAIN * ratePerSec) / 1000) * CATCH_UP_LOOK_MS;
  for (let looks = 0, idle = 0; looks < CATCH_UP_LOOKS && idle < LOOKS_WITHOUT_GAIN; looks++) {
    run.resetLatency();
    await delay(CATCH_UP_LOOK_MS);
    const { count, maxUs } = run.latency().roundTrip;
    if (count > 0 && maxUs < CAUGHT_UP_US) break;
    if (count < enough) idle++;
  }
  run.resetLatency();
}
