// Sends a message per second over each of 500 connections to an echo server for three seconds, then stops through an
// AbortSignal and prints the percentiles of the round-trip time. Run it after `npm run build`: node
// examples/echo-latency.mjs
import { connect, serve } from "fourtuple";

const server = await serve({ at: "127.0.0.1:0", mode: "echo", log: "none" });
const run = await connect({
  to: `127.0.0.1:${server.address.port}`,
  connections: 500,
  durationMs: 60_000,
  message: "ping",
  messageRatePerSec: 1,
  signal: AbortSignal.timeout(3000),
});

const { latency, traffic } = await run.done;
await server.stop();
const { count, p50Us, p99Us, maxUs } = latency.roundTrip;
console.log(`${traffic.sentMessages} sent, ${count} answered`);
console.log(`round trip: p50 ${p50Us} µs, p99 ${p99Us} µs, max ${maxUs} µs`);
process.exitCode = count > 0 ? 0 : 1;
