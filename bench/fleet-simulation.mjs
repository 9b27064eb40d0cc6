// Measures what a coordinator costs: a run over many agents, on a real nats-server, after npm run build. The agents are
// stand-ins, hundreds in a process, that open nothing: they speak the real messages, and send the snapshots, the
// latencies and the result of a real run.
// node bench/fleet-simulation.mjs [agents, default 1000] [seconds to hold, default 20]
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect, serve } from "fourtuple";
import { Agent } from "../dist/fleet/agent/agent.js";
import { connectNats } from "../dist/fleet/nats/link.js";
import { Histogram } from "../dist/results/histogram/histogram.js";
import { histogramOf } from "../dist/results/histogram/summarize.js";
import { readVersion } from "../dist/util/program/files.js";
import { readCpuSeconds } from "./proc.mjs";

/** Connections of each agent. */
const SHARE = 1000;
const AGENTS_PER_PROCESS = 250;
const RAMP_MS = 5000;
const SAMPLE_MS = 500;
/** Longest time for all agents to connect, and for the coordinator to end after the hold. */
const LIMIT_MS = 90_000;
const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

if (process.send) await standIn(...process.argv.slice(2));
else await simulate(Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 20));

/**
 * @param {number} agents
 * @param {number} holdSeconds
 */
async function simulate(agents, holdSeconds) {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-simulation-"));
  /** @type {import("node:child_process").ChildProcess[]} */
  const children = [];
  try {
    const file = join(folder, "run.json");
    writeFileSync(file, JSON.stringify(await realRun()));
    const nats = spawn("nats-server", ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder]);
    children.push(nats);
    const url = await natsUrl(nats);
    for (let first = 0; first < agents; first += AGENTS_PER_PROCESS) {
      const count = Math.min(AGENTS_PER_PROCESS, agents - first);
      const child = fork(fileURLToPath(import.meta.url), [url, file, `${first}`, `${count}`]);
      children.push(child);
      await Promise.race([once(child, "message"), late("the agents did not connect")]);
    }
    console.log(`${agents} agents are connected`);
    await measure(url, agents, holdSeconds, nats.pid ?? 0);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns a snapshot and the result of a real run, whose messages fill the histograms */
async function realRun() {
  const server = await serve({ at: "127.0.0.1:0", mode: "echo" });
  const run = await connect({
    to: `127.0.0.1:${server.address.port}`,
    connections: SHARE,
    message: "ping",
    durationMs: 3000,
  });
  await run.ready;
  await delay(1000);
  const snapshot = run.snapshot();
  const result = await run.done;
  await server.stop();
  return { snapshot, result };
}

/**
 * @param {import("node:child_process").ChildProcess} nats
 * @returns {Promise<string>}
 */
async function natsUrl(nats) {
  let log = "";
  const listens = new Promise((resolve) => {
    nats.stderr?.on("data", (text) => {
      log += text;
      const [, at] = /Listening for client connections on (\S+:\d+)[\s\S]*Server is ready/.exec(log) ?? [];
      if (at) resolve(`nats://${at}`);
    });
  });
  return /** @type {Promise<string>} */ (Promise.race([listens, late("nats-server did not start")]));
}

/**
 * Runs the coordinator as a process of its own.
 *
 * @param {string} url
 * @param {number} agents
 * @param {number} holdSeconds
 * @param {number} natsPid
 */
async function measure(url, agents, holdSeconds, natsPid) {
  const load = ["-c", `${agents * SHARE}`, "-m", "ping", "-T", `${holdSeconds}s`];
  const fleet = ["--fleet", url, "--agents", `${agents}`];
  const startMs = performance.now();
  const coordinator = spawn(process.execPath, [program, "connect", "127.0.0.1:7777", ...load, ...fleet]);
  const pid = coordinator.pid ?? 0;
  const before = readCpuSeconds(natsPid);
  let text = "";
  coordinator.stdout.on("data", (chunk) => {
    text += chunk;
  });
  let stage = "before the start";
  coordinator.stderr.on("data", (chunk) => {
    const [, live] = / s +(opening|holding|closed) /.exec(`${chunk}`) ?? [];
    if (live) stage = live === "opening" ? "ramp" : "hold";
    if (stage === "before the start") process.stdout.write(`${chunk}`.slice(0, 200));
  });
  const ended = once(coordinator, "exit");
  /** @type {Map<string, { cpu: number, ms: number, most: number }>} */
  const stages = new Map();
  let [atMs, cpu, peakMib] = [startMs, 0, 0];
  const timer = setInterval(() => {
    try {
      const [nowMs, now] = [performance.now(), readCpuSeconds(pid)];
      peakMib = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) / 1024;
      const entry = stages.get(stage) ?? { cpu: 0, ms: 0, most: 0 };
      entry.cpu += now - cpu;
      entry.ms += nowMs - atMs;
      entry.most = Math.max(entry.most, (now - cpu) / ((nowMs - atMs) / 1000));
      stages.set(stage, entry);
      [atMs, cpu] = [nowMs, now];
    } catch {
      // It has just exited.
    }
  }, SAMPLE_MS);
  const [code] = await Promise.race([ended, delay(holdSeconds * 1000 + LIMIT_MS, ["none: killed"])]);
  clearInterval(timer);
  coordinator.kill("SIGKILL");
  const seconds = (performance.now() - startMs) / 1000;
  console.log(text.split("\n").slice(0, 3).join("\n"));
  console.log(/which started .*/.exec(text)?.[0]);
  for (const [name, { cpu: used, ms, most }] of stages) {
    console.log(
      `${name}: ${(ms / 1000).toFixed(1)} s, ${((100 * used * 1000) / ms).toFixed(0)}% of a core on average, ${(100 * most).toFixed(0)}% at most`,
    );
  }
  console.log(
    `coordinator: exit code ${code}, ${cpu.toFixed(1)} s of CPU in ${seconds.toFixed(1)} s, at most ${peakMib.toFixed(0)} MiB resident`,
  );
  console.log(`nats-server: ${(readCpuSeconds(natsPid) - before).toFixed(1)} s of CPU`);
}

/**
 * Runs agents until this process is killed.
 * @param {string[]} args URL, file of the real run, first number and count
 */
async function standIn(...args) {
  const [url = "", file = "", first, count] = args;
  const real = JSON.parse(readFileSync(file, "utf8"));
  for (let n = Number(first); n < Number(first) + Number(count); n++) {
    const { bus, store } = await connectNats({ servers: url }, `agent ${n}`);
    const identity = { id: `id${n}`, name: `agent-${n}`, version: readVersion() };
    new Agent(identity, bus, store, standInHost(n, real));
  }
  process.send?.("connected");
}

/**
 * @param {number} n
 * @param {{ snapshot: import("fourtuple").ConnectSnapshot, result: import("fourtuple").ConnectResult }} real
 * @returns {import("../dist/fleet/agent/host.js").AgentHost}
 */
function standInHost(n, real) {
  return {
    describe: () => ({
      cores: 4,
      memoryBytes: 16e9,
      addresses: [`10.0.${n >> 8}.${n & 255}`],
      host: `machine ${n}`,
      place: `machine ${n}`,
      allows: "127.0.0.0/8",
    }),
    ceiling: async () => ({
      connections: 64_512,
      limit: "source addresses × ports",
      caps: "source-ports",
      addresses: 1,
    }),
    prepare: async () => ({ tuplesAvailable: 64_512, begin: () => replay(real), discard: async () => undefined }),
  };
}

/**
 * Replays a real run: its counters grow during the ramp, and its result follows the stop.
 *
 * @param {{ snapshot: import("fourtuple").ConnectSnapshot, result: import("fourtuple").ConnectResult }} real
 * @returns {import("../dist/fleet/agent/load.js").Load}
 */
function replay({ snapshot, result }) {
  const [startMs, startedAt] = [performance.now(), new Date().toISOString()];
  /** @type {() => void} */
  let end = () => undefined;
  const { connect: connectUs, firstByte: firstByteUs, roundTrip: roundTripUs } = result.latency;
  const histograms = Object.fromEntries(
    Object.entries({ connectUs, firstByteUs, roundTripUs }).map(([name, summary]) => [name, toHistogram(summary)]),
  );
  const done = new Promise((resolve) => {
    end = () => resolve({ ...result, startedAt });
  });
  return {
    ready: delay(RAMP_MS),
    done,
    stop: () => end(),
    measure: () => ({ histograms, failures: [] }),
    snapshot: () => {
      const elapsedMs = performance.now() - startMs;
      const open = Math.min(SHARE, Math.floor((SHARE * elapsedMs) / RAMP_MS));
      const stage = open < SHARE ? "ramp" : "hold";
      return { ...snapshot, elapsedMs, open, established: open, ready: open, stage };
    },
  };
}

/** @param {import("fourtuple").LatencySummary} summary */
function toHistogram(summary) {
  return histogramOf(summary) ?? new Histogram();
}

/**
 * @param {string} message
 * @returns {Promise<never>}
 */
async function late(message) {
  await delay(LIMIT_MS, undefined, { ref: false });
  throw new Error(message);
}
