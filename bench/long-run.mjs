// Long runs, whose memory must stay flat: `hold` opens connections and holds them for minutes; `soak` opens, greets and
// resets them for minutes. Meanwhile, it samples the memory of both processes and the kernel's slabs. Usage: node
// bench/long-run.mjs hold|soak [--connections N] [--minutes N] [--engine auto|epoll|uring] The exit code is 0 if all
// connections were opened, none was lost and memory stayed flat, 1 if not, 2 for invalid usage.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Child, endChildrenBySignal } from "./child.mjs";
import { canMakeNamespace, runInNamespace } from "./namespace.mjs";
import { readMemory, readResident } from "./proc.mjs";
import { freePort } from "./waits.mjs";

const CLI = [process.execPath, fileURLToPath(new URL("../dist/cli/main.js", import.meta.url))];
const MIB = 1024 ** 2;
const SAMPLE_MS = 2000;
/** Time for opening and closing connections, on top of the observed time. */
const SLACK_MS = 600_000;
/** Allowed growth of memory: garbage not yet collected, and slabs of other programs. */
const GROWTH = { client: 8 * MIB, server: 8 * MIB, slab: 32 * MIB };
/** Share of the run to skip, while the kernel fills its slabs and V8 compiles. */
const WARM_UP_SHARE = 0.25;

const KINDS = {
  hold: { connections: 2_000_000, minutes: 2, stage: "hold" },
  // The run lasts as long as the connections take; `minutes` is only an upper limit.
  soak: { connections: 10_000_000, minutes: 20, stage: "ramp" },
};

/** @typedef {{ client: number, server: number, slab: number }} Sample in bytes */

process.exitCode = await main();

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      connections: { type: "string" },
      minutes: { type: "string" },
      engine: { type: "string", default: "auto" },
      inside: { type: "boolean", default: false },
    },
  });
  const name = positionals[0] ?? "";
  if (!Object.hasOwn(KINDS, name) || positionals.length > 1) {
    console.error("usage: node bench/long-run.mjs hold|soak [--connections N] [--minutes N] [--engine NAME]");
    return 2;
  }
  if (!values.inside && canMakeNamespace())
    return runInNamespace([process.execPath, ...process.argv.slice(1), "--inside"]);
  endChildrenBySignal();
  const kind = KINDS[/** @type {keyof typeof KINDS} */ (name)];
  const connections = Number(values.connections ?? kind.connections);
  const minutes = Number(values.minutes ?? kind.minutes);
  return run(name, { ...kind, connections, minutes }, values.engine);
}

/**
 * @param {string} name
 * @param {{ connections: number, minutes: number, stage: string }} kind
 * @param {string} engine
 * @returns the exit code
 */
async function run(name, { connections, minutes, stage }, engine) {
  const at = `127.0.0.1:${await freePort()}`;
  const deadlineMs = minutes * 60_000 + SLACK_MS;
  const server = new Child([...CLI, "serve", at, "--log", "none", "--json", "--engine", engine], deadlineMs);
  await server.expectLine("the server's address");
  const how = name === "hold" ? ["-T", `${minutes}m`] : ["--close-after-greeting", "-T", "0"];
  const load = ["-c", `${connections}`, ...how, "--close", "rst", "--engine", engine, "--json"];
  const client = new Child([...CLI, "connect", at, ...load], deadlineMs);
  /** @type {Sample[]} */
  const samples = [];
  /** @type {any} */
  let latest;
  const timer = setInterval(() => {
    if (latest?.stage !== stage) return;
    samples.push({
      client: readResident(client.pid),
      server: readResident(server.pid),
      slab: readMemory().slabBytes,
    });
  }, SAMPLE_MS);
  const stop = setTimeout(() => client.kill("SIGINT"), minutes * 60_000 + (name === "hold" ? SLACK_MS : 0));
  for (let line = await client.line(); line !== undefined; line = await client.line()) latest = JSON.parse(line);
  clearInterval(timer);
  clearTimeout(stop);
  server.kill("SIGTERM");
  await server.exited;
  if (latest?.event !== "result") throw new Error(`the client exited without a result: ${client.complaint}`);
  return report(name, latest, samples);
}

/**
 * @param {string} name
 * @param {any} result
 * @param {Sample[]} samples
 */
function report(name, result, samples) {
  const { requested, established, failed, lost, engine, rampMs, holdMs, ratePerSec, diagnosis } = result;
  const seconds = Math.round((name === "hold" ? holdMs : rampMs) / 1000);
  console.log(`${name}: ${established} connections, ${Math.round(ratePerSec)}/s, ${seconds} s, engine ${engine.name}`);
  console.log(`failed ${failed}, lost ${lost}, not opened ${requested - established - failed}`);
  if (diagnosis.finding) console.log(`limited by ${diagnosis.finding.limit}: ${diagnosis.finding.fix}`);
  let isFlat = samples.length > 2;
  for (const key of /** @type {const} */ (["client", "server", "slab"])) {
    const { from, to } = drift(samples.map((sample) => sample[key]));
    isFlat &&= to - from <= GROWTH[key];
    const most = Math.max(...samples.map((sample) => sample[key]));
    console.log(`${key.padEnd(6)} ${mib(from)} to ${mib(to)} MiB, at most ${mib(most)} (${samples.length} samples)`);
  }
  console.log(isFlat ? "memory stayed flat" : "MEMORY GREW, or was not observed for long enough");
  return isFlat && established === requested && lost === 0 ? 0 : 1;
}

/**
 * @param {number[]} values
 * @returns medians of the first and the last quarter after the warm-up
 */
function drift(values) {
  const rest = values.slice(Math.floor(values.length * WARM_UP_SHARE));
  const quarter = Math.max(1, Math.floor(rest.length / 4));
  return { from: median(rest.slice(0, quarter)), to: median(rest.slice(-quarter)) };
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** @param {number} bytes */
function mib(bytes) {
  return (bytes / MIB).toFixed(1);
}
