// Scrapes the exporter many times while connections are held, and prints its memory as it goes and the slope of the
// second half: node bench/exporter-soak.mjs [scrapes, default 10000] [connections, default 2000]
// With 10,000 connections or more, whose sockets are both here, the exporter reads the table with BPF.
// Garbage collections make single readings jump by tens of MiB, so each step takes the median of its readings, and the
// slope is the median of the slopes between all pairs of steps (Theil-Sen), which one outlier cannot move.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connect, serve } from "fourtuple";

const SCRAPES = Number(process.argv[2] ?? 10_000);
const CONNECTIONS = Number(process.argv[3] ?? 2000);
const STEPS = 20;
const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

const server = await serve({ at: "127.0.0.1:0" });
const run = await connect({
  to: `127.0.0.1:${server.address.port}`,
  connections: CONNECTIONS,
  durationMs: Number.POSITIVE_INFINITY,
});
await run.ready;
const exporter = spawn(process.execPath, [program, "exporter", "--listen", "127.0.0.1:0"]);
const [printed] = await once(exporter.stdout, "data");
const url = /http:\S+/.exec(`${printed}`)?.[0] ?? "";

/** @returns {Promise<number>} resident memory in MiB */
async function scrape() {
  const text = await (await fetch(url)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]) / 1024 ** 2;
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

const startMs = performance.now();
const perStep = Math.ceil(SCRAPES / STEPS);
/** @type {[scrapes: number, mib: number][]} */
const points = [];
/** @type {number[]} */
let readings = [];
for (let n = 1; n <= SCRAPES; n++) {
  readings.push(await scrape());
  if (n % perStep !== 0) continue;
  points.push([n, median(readings)]);
  console.log(`${n} scrapes: ${median(readings).toFixed(1)} MiB, at most ${Math.max(...readings).toFixed(1)}`);
  readings = [];
}
const half = points.slice(points.length / 2);
const slope = median(
  half.flatMap(([n, mib], i) => half.slice(i + 1).map(([later, laterMib]) => (laterMib - mib) / (later - n))),
);
console.log(`second half: ${(slope * 1000).toFixed(2)} MiB per 1,000 scrapes`);
console.log(`${((performance.now() - startMs) / SCRAPES).toFixed(1)} ms per scrape`);
exporter.kill("SIGTERM");
await run.stop();
await server.stop();
