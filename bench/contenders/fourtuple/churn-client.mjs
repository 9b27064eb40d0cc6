// Churn client with fourtuple's public API. Prints "ready", waits for a line, opens connections that are reset once
// they are greeted, prints a line of JSON when all of them are done, and exits.
// Usage: churn-client.mjs <port> <connections> <open at a time>
import { once } from "node:events";
import { connect } from "fourtuple";
import { engine } from "./engine.mjs";

// Other programs do not use these addresses, so all their ports are free.
const SOURCES = { first: { family: /** @type {4} */ (4), bytes: Uint8Array.of(127, 6, 0, 1) }, count: 16 };

const [port, connections, concurrency] = process.argv.slice(2).map(Number);
console.log("ready");
await once(process.stdin, "data");
const run = await connect({
  to: `127.0.0.1:${port}`,
  connections,
  concurrency,
  sources: [SOURCES],
  closeAfterGreeting: true,
  durationMs: 0,
  close: "rst",
  engine,
});
const { established, openAtStop, failed, failures, lost, setupMs, rampMs } = await run.done;
const greeted = established - openAtStop - lost;
const seconds = (setupMs + rampMs) / 1000;
console.log(JSON.stringify({ greeted, failed: failed + lost, failures, seconds, setupSeconds: setupMs / 1000 }));
process.stdin.destroy();
process.exitCode = greeted === connections ? 0 : 1;
