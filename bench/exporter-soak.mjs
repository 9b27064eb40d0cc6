// Scrapes the exporter many times while connections are held, and prints its memory as it goes and the slope of the
// second half: node bench/exporter-soak.mjs [scrapes, default 10000]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connect, serve } from "fourtuple";

const SCRAPES = Number(process.argv[2] ?? 10_000);
const CONNECTIONS = 2000;
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

const startMs = performance.now();
/** @type {[scrapes: number, mib: number][]} */
const points = [];
for (let n = 1; n <= SCRAPES; n++) {
  const mib = await scrape();
  if (n % Math.ceil(SCRAPES / STEPS) === 0) {
    points.push([n, mib]);
    console.log(`${n} scrapes: ${mib.toFixed(1)} MiB`);
  }
}
const half = points.slice(points.length / 2);
const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const [n0, mib0] = [mean(half.map(([n]) => n)), mean(half.map(([, mib]) => mib))];
const slope =
  half.reduce((sum, [n, mib]) => sum + (n - n0) * (mib - mib0), 0) / half.reduce((sum, [n]) => sum + (n - n0) ** 2, 0);
console.log(`second half: ${(slope * 1000).toFixed(2)} MiB per 1,000 scrapes`);
console.log(`${((performance.now() - startMs) / SCRAPES).toFixed(1)} ms per scrape`);
exporter.kill("SIGTERM");
await run.stop();
await server.stop();
