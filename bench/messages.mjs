// W5, messages: over 10,000 held connections, measures the latency of echoes at a fixed total rate, then the highest
// rate that a pair sustains. Each pair uses a client idiomatic for its language. Latency is defined in the same way for
// all of them: from the scheduled time of a message, excluding the warm-up.

import { BASELINE, candidates, NODE } from "./contenders.mjs";
import { RAMP_METRICS } from "./metrics.mjs";
import { runPair } from "./pair.mjs";
import { readCpuSeconds, readOthersCpuSeconds, readPeakResident, readTcpSockets } from "./proc.mjs";
import { SCALES } from "./scales.mjs";
import { HERE } from "./sockets.mjs";

const CONNECTIONS = SCALES["10k"].connections;
const MESSAGE_BYTES = 64;
// A round takes about 15 s, or longer if a pair is slow to recover from a rate that was too high.
const DEADLINE_MS = 120_000;

// A rate that every contender handles easily, so that only their latencies differ.
const FIXED = { ratePerSec: 20_000, warmUpMs: 1000, measuredMs: 3000 };

// A rate is sustained if at least this share is answered, with a p99 below this limit.
const SUSTAINED_SHARE = 0.98;
const SUSTAINED_P99_US = 100_000;
const TRIAL = { warmUpMs: 600, measuredMs: 1000 };
const FIRST_TRIAL_PER_SEC = 40_000;
const TRIALS = 8;
const HASTE = 10;
const HASTY_TRIALS = 2;
// Ratio between the lowest rate not sustained and the highest rate sustained at which the search stops. A finer
// resolution would be lost in the noise.
const RESOLUTION = 1.05;

/**
 * @typedef {object} Figures of a run at one rate
 * @property {number} answered number answered within the measured time
 * @property {number} seconds
 * @property {number} p50Us
 * @property {number} p99Us
 * @property {number} p999Us
 * @property {number} maxUs
 * @property {number} [unanswered] messages without an answer at the end; undefined if each run opens new connections
 */

/** @typedef {{ ratePerSec: number, warmUpMs: number, measuredMs: number }} Run */

const SETTINGS = {
  "c-epoll": "C, one thread per side, epoll_pwait2() until the next message is due, timer slack 1 ns, TCP_NODELAY",
  "c-uring":
    "C, one thread per side, io_uring: multishot receives, the sends of a turn together, timer slack 1 ns, TCP_NODELAY",
  go: "a goroutine per connection sleeps until its message is due, writes it and reads the answer",
  node: "Node's net, noDelay; a timer of 1 ms sends what is due, setImmediate when it is behind",
  bun: "Bun.listen and Bun.connect; a timer of 1 ms sends what is due, setImmediate when it is behind",
  fourtuple: "the library: serve({ mode: 'echo' }), connect({ message }), reopened for each rate; two threads per side",
  "fourtuple-epoll": "the same with engine: 'epoll'",
  "fourtuple-uring": "the same with engine: 'uring'",
};

export const MESSAGES = {
  name: "W5",
  title: `messages of ${MESSAGE_BYTES} bytes over ${CONNECTIONS.toLocaleString("en")} connections, echoed`,
  rounds: 3,
  scale: { ...SCALES["10k"], deadlineMs: DEADLINE_MS },
  baseline: BASELINE,
  contenders: candidates({ server: "echo-server", client: "echo-client" }, SETTINGS, { holdsAll: true }),
  metrics: {
    p50Us: { label: `p50 at ${FIXED.ratePerSec / 1000}k/s (µs)`, of: (/** @type {any} */ { fixed }) => fixed.p50Us },
    p99Us: {
      label: `p99 at ${FIXED.ratePerSec / 1000}k/s (µs)`,
      isCompared: true,
      of: (/** @type {any} */ { fixed }) => fixed.p99Us,
    },
    p999Us: { label: "  p99.9 (µs)", of: (/** @type {any} */ { fixed }) => fixed.p999Us },
    maxUs: { label: "  max (µs)", of: (/** @type {any} */ { fixed }) => fixed.maxUs },
    answeredPerSec: {
      label: "  answered per second",
      of: (/** @type {any} */ { fixed }) => fixed.answered / fixed.seconds,
    },
    clientCpuUs: { label: "  CPU/message, client (µs)", of: cpuPerMessage("client") },
    serverCpuUs: { label: "  CPU/message, server (µs)", of: cpuPerMessage("server") },
    highestPerSec: {
      label: "highest rate sustained",
      isCompared: true,
      of: (/** @type {any} */ { highestPerSec }) => highestPerSec,
    },
    clientPeakBytes: RAMP_METRICS.clientPeakBytes,
    serverPeakBytes: RAMP_METRICS.serverPeakBytes,
    foreignCpuShare: { ...RAMP_METRICS.foreignCpuShare, label: "noise: CPU of other programs" },
  },
  run: runMessages,
  measures: [
    {
      title: `p99 at ${FIXED.ratePerSec / 1000}k/s ÷ the C baseline's`,
      wanted: { atMost: 1.3 },
      of: { metric: "p99Us", against: BASELINE },
    },
    {
      title: "highest rate ÷ the C baseline's",
      wanted: { atLeast: 0.9 },
      of: { metric: "highestPerSec", against: BASELINE },
    },
    { title: "highest rate ÷ Node net's", wanted: { atLeast: 2 }, of: { metric: "highestPerSec", against: NODE } },
  ],
};

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 * @param {import("./sockets.mjs").Place} [place]
 */
export function runMessages(contender, round, place = HERE) {
  const { connections } = /** @type {import("./scales.mjs").Scale} */ (contender.scale);
  // A trial with fewer connections than the workload's is not judged, so it can be short.
  const isHasty = connections < CONNECTIONS;
  const measure = async (/** @type {import("./pair.mjs").Pair} */ { server, startClient, end }) => {
    let client = await startClient();
    const run = async (/** @type {Run} */ run) => {
      const figures = await runTrial({ server, client }, isHasty ? shorter(run) : run);
      const { socketsInUse, unanswered = 0 } = figures;
      if (place === HERE && socketsInUse < 2 * connections)
        throw new Error(`${socketsInUse} sockets were in use, though ${connections} connections have two each`);
      // The next run would count late answers of this one, so start a new client.
      if (unanswered > 0) {
        await end(client);
        client = await startClient();
      }
      return figures;
    };
    const fixed = await run(FIXED);
    const search = (/** @type {number} */ ratePerSec) => run(trialAt(ratePerSec, connections));
    const highest = await findHighest(search, isHasty ? HASTY_TRIALS : TRIALS);
    const peakResidentBytes = { server: readPeakResident(server.pid), client: readPeakResident(client.pid) };
    await end(client);
    const { outsideSeconds, foreignCpuSeconds } = fixed;
    return { fixed, ...highest, peakResidentBytes, outsideSeconds, foreignCpuSeconds };
  };
  return runPair(contender, round, [connections, MESSAGE_BYTES], measure, place);
}

/**
 * Returns a trial with a warm-up long enough for each connection to send a message.
 *
 * @param {number} ratePerSec
 * @param {number} connections
 * @returns {Run}
 */
function trialAt(ratePerSec, connections) {
  const intervalMs = (connections / ratePerSec) * 1000;
  return { ratePerSec, ...TRIAL, warmUpMs: Math.max(TRIAL.warmUpMs, Math.ceil(1.2 * intervalMs)) };
}

/** @param {Run} run */
function shorter({ ratePerSec, warmUpMs, measuredMs }) {
  return { ratePerSec, warmUpMs: Math.ceil(warmUpMs / HASTE), measuredMs: Math.ceil(measuredMs / HASTE) };
}

/**
 * Runs one rate. CPU time and sockets are measured during the same time.
 *
 * @param {{ server: import("./child.mjs").Child, client: import("./child.mjs").Child }} pair
 * @param {Run} run
 * @returns {Promise<Figures & { cpuSeconds: { server: number, client: number }, socketsInUse: number, outsideSeconds:
 *   number, foreignCpuSeconds: number }>}
 */
async function runTrial({ server, client }, { ratePerSec, warmUpMs, measuredMs }) {
  client.write(`${ratePerSec} ${warmUpMs} ${measuredMs}\n`);
  await client.expectLine("the end of the warm-up");
  const startMs = performance.now();
  const before = { server: readCpuSeconds(server.pid), client: readCpuSeconds(client.pid) };
  const pids = [server.pid, client.pid];
  const othersBefore = readOthersCpuSeconds(pids);
  const socketsInUse = readTcpSockets().inuse ?? 0;
  const figures = JSON.parse(await client.expectLine("the end of a run"));
  const cpuSeconds = {
    server: readCpuSeconds(server.pid) - before.server,
    client: readCpuSeconds(client.pid) - before.client,
  };
  const foreignCpuSeconds = Math.max(0, readOthersCpuSeconds(pids) - othersBefore);
  return {
    ...figures,
    cpuSeconds,
    socketsInUse,
    outsideSeconds: (performance.now() - startMs) / 1000,
    foreignCpuSeconds,
  };
}

/**
 * Searches for the highest sustained rate: doubles or halves the rate until one is sustained and another is not, then
 * bisects geometrically. A rate that fails is not retried; the median of the rounds evens that out.
 *
 * @param {(ratePerSec: number) => Promise<Figures>} run
 * @param {number} most maximum number of trials
 */
export async function findHighest(run, most = TRIALS) {
  const trials = [];
  let highestPerSec = 0;
  let lowestNotPerSec = Number.POSITIVE_INFINITY;
  let ratePerSec = FIRST_TRIAL_PER_SEC;
  while (trials.length < most && lowestNotPerSec / highestPerSec > RESOLUTION) {
    const figures = await run(ratePerSec);
    const sustained = isSustained(figures, ratePerSec);
    trials.push({ ratePerSec, sustained, ...figures });
    if (sustained) highestPerSec = ratePerSec;
    else lowestNotPerSec = ratePerSec;
    if (lowestNotPerSec === Number.POSITIVE_INFINITY) ratePerSec *= 2;
    else if (highestPerSec === 0) ratePerSec = Math.round(ratePerSec / 2);
    else ratePerSec = Math.round(Math.sqrt(highestPerSec * lowestNotPerSec));
  }
  return { highestPerSec, trials };
}

/**
 * @param {Figures} figures
 * @param {number} ratePerSec requested rate
 */
function isSustained({ answered, seconds, p99Us }, ratePerSec) {
  return answered >= SUSTAINED_SHARE * ratePerSec * seconds && p99Us < SUSTAINED_P99_US;
}

/** @param {"server" | "client"} side */
function cpuPerMessage(side) {
  return (/** @type {any} */ { fixed }) => (fixed.cpuSeconds[side] / fixed.answered) * 1e6;
}
