// W6, churn: the client opens connections, waits for the greeting and closes them as fast as the pair can, with a fixed
// number open at a time. It closes them with RST, because each connection would otherwise leave a socket in TIME_WAIT
// for a minute: nearly two million sockets at 30,000 connections per second.

import { BASELINE, candidates } from "./contenders.mjs";
import { RAMP_METRICS } from "./metrics.mjs";
import { runPair } from "./pair.mjs";
import { readCpuSeconds, readOthersCpuSeconds } from "./proc.mjs";
import { SCALES } from "./scales.mjs";
import { untilQuiet } from "./waits.mjs";

// Number of connections; opening and closing them takes the fastest pair a few seconds, and slow pairs longer.
const CONNECTIONS = 150_000;
const AT_ONCE = 256;

const SETTINGS = {
  "c-epoll": "C, one thread per side, epoll, chooses source ports itself",
  "c-uring": "C, one thread per side, io_uring: each connection is one chain of entries, chooses source ports itself",
  go: `${AT_ONCE} goroutines that dial, read and reset, chooses source ports itself`,
  node: "Node's net, resetAndDestroy(), chooses source ports itself",
  bun: "Bun.connect, terminate(); the kernel chooses source ports",
  fourtuple: "the library: connect({ closeAfterGreeting: true, close: 'rst' }), chooses source ports itself",
  "fourtuple-epoll": "the same with engine: 'epoll'",
  "fourtuple-uring": "the same with engine: 'uring'",
};

export const CHURN = {
  name: "W6",
  title: `churn: ${CONNECTIONS.toLocaleString("en")} connections opened, greeted and reset, ${AT_ONCE} at once`,
  rounds: 5,
  scale: { ...SCALES["19k"], name: "churn", connections: CONNECTIONS },
  baseline: BASELINE,
  contenders: candidates({ server: "server", client: "churn-client" }, SETTINGS, { holdsAll: false }),
  metrics: {
    ratePerSec: {
      label: "connections/s",
      isCompared: true,
      of: (/** @type {any} */ { greeted, seconds }) => greeted / seconds,
    },
    cpuUs: { label: "CPU/connection, both (µs)", isCompared: true, of: cpuPerConnection("client", "server") },
    clientCpuUs: { label: "  client (µs)", of: cpuPerConnection("client") },
    serverCpuUs: { label: "  server (µs)", of: cpuPerConnection("server") },
    timeWaitLeft: RAMP_METRICS.timeWaitLeft,
    foreignCpuShare: { ...RAMP_METRICS.foreignCpuShare, label: "noise: CPU of other programs" },
  },
  run: runChurn,
  measures: [{ title: "TIME_WAIT left", wanted: { atMost: 0 }, of: { metric: "timeWaitLeft" } }],
};

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 */
function runChurn(contender, round) {
  const { connections } = /** @type {import("./scales.mjs").Scale} */ (contender.scale);
  return runPair(contender, round, [connections, AT_ONCE], async ({ server, startClient, end }) => {
    const client = await startClient();
    const pids = [server.pid, client.pid];
    const before = { server: readCpuSeconds(server.pid), client: readCpuSeconds(client.pid) };
    const othersBefore = readOthersCpuSeconds(pids);
    const goMs = performance.now();
    client.write("go\n");
    const figures = JSON.parse(await client.expectLine("the end of the churn"));
    // The client is about to exit, so read its figures first.
    const foreignCpuSeconds = Math.max(0, readOthersCpuSeconds(pids) - othersBefore);
    const clientSeconds = readCpuSeconds(client.pid) - before.client;
    const outsideSeconds = (performance.now() - goMs) / 1000;
    const { greeted, failed } = figures;
    if (greeted !== connections) throw new Error(`${greeted} of ${connections} were greeted, ${failed} failed`);
    await end(client);
    // The server still has to handle the ends of connections that it has not seen yet.
    await untilQuiet([server.pid]);
    const cpuSeconds = { server: readCpuSeconds(server.pid) - before.server, client: clientSeconds };
    return { ...figures, outsideSeconds, foreignCpuSeconds, cpuSeconds };
  });
}

/** @param {("server" | "client")[]} sides */
function cpuPerConnection(...sides) {
  return (/** @type {any} */ { cpuSeconds, greeted }) =>
    (sides.reduce((sum, side) => sum + cpuSeconds[side], 0) / greeted) * 1e6;
}
