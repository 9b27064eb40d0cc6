// Reading the kernel's socket table: fourtuple against ss with the same filter, whole processes, interleaved in one run.
// Sockets are held in a network namespace of the run's own where it may make one, else on 127.0.0.0/8.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { formatNumber } from "./format.mjs";
import { readMachine } from "./machine.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CLI = `${ROOT}dist/cli/main.js`;
const PORT = 7777;
const READY_MS = 300_000;
const MAX_MEGABYTES = 100;
let cpuBefore = Number.NaN;

const { values } = parseArgs({
  options: {
    sockets: { type: "string", default: "200k" },
    rounds: { type: "string", default: "5" },
    inside: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const USAGE = `node bench/ports.mjs [--sockets 200k|1m] [--rounds 5]
  Holds so many connections (both ends here) and counts the server's ends, grouped, against ss | wc -l.
  Exit 0: every count was right and every measure met; 1: not so. The measures are meant for 1m, which takes some 8 GB of
  memory; below some 50k Node's start is most of the time.`;

if (values.help) console.log(USAGE);
else if (!values.inside && canMakeNamespace()) process.exitCode = runInNamespace();
else process.exitCode = await measure();

function canMakeNamespace() {
  return process.getuid?.() === 0 && spawnSync("ip", ["netns", "list"]).status === 0;
}

/** Runs this file again in a namespace that lasts as long as the run. */
function runInNamespace() {
  const name = `fourtuple-ports-${process.pid}`;
  if (spawnSync("ip", ["netns", "add", name], { stdio: "inherit" }).status !== 0) return 1;
  try {
    spawnSync("ip", ["-n", name, "link", "set", "lo", "up"], { stdio: "inherit" });
    const args = ["netns", "exec", name, process.execPath, fileURLToPath(import.meta.url), "--inside"];
    args.push("--sockets", values.sockets, "--rounds", values.rounds);
    return spawnSync("ip", args, { stdio: "inherit" }).status ?? 1;
  } finally {
    spawnSync("ip", ["netns", "delete", name], { stdio: "inherit" });
  }
}

async function measure() {
  const wanted = parseSockets(values.sockets);
  const rounds = Number(values.rounds);
  const server = spawn(process.execPath, [CLI, "serve", `127.0.0.1:${PORT}`, "--log", "none"], { stdio: "ignore" });
  await waitUntil("a listening socket", () => countSs(["-ltnH", `sport = :${PORT}`]) === 1);
  const client = spawn(process.execPath, [CLI, "connect", `127.0.0.1:${PORT}`, "-c", String(wanted), "-T", "1h"], {
    stdio: "ignore",
  });
  try {
    await waitUntil(`${wanted} connections`, () => readInUse() >= 2 * wanted + 1, READY_MS);
    // Handshakes are over; what the accepting threads still do must not be measured.
    await waitUntil("a quiet host", () => cpuOf([server.pid, client.pid]) < 0.05, READY_MS);
    const machine = readMachine(ROOT);
    console.log(`${machine.kernel}, ${machine.cpu} × ${machine.cores}, Node ${machine.node}, commit ${machine.commit}`);
    console.log(`${formatNumber(wanted)} connections held, both ends here; ${rounds} rounds, interleaved, medians\n`);
    return report(contenders(), rounds, wanted) ? 0 : 1;
  } finally {
    for (const child of [client, server]) {
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
    }
  }
}

/**
 * Each counts the ESTABLISHED sockets of the server's end, or lists those of both ends, and says how many. The address
 * is part of the filter, since clients may have the server's port as their source port, too.
 */
function contenders() {
  const library = `import { socketTable } from ${JSON.stringify(`${ROOT}dist/index.js`)};
    const table = await socketTable({ localIp: "127.0.0.1", localPort: ${PORT}, states: ["ESTABLISHED"] });
    console.log(table.sockets, table.byPeer.distinct, table.source);`;
  const list = [
    {
      name: "fourtuple: grouped by state, port, peer",
      timesAsFast: 2,
      command: [process.execPath, "--input-type=module", "-e", library],
      count: (/** @type {string} */ out) => Number(out.split(" ")[0]),
    },
    {
      name: "ss -tnH 'src 127.0.0.1:7777' | wc -l",
      command: ["sh", "-c", `ss -tnH 'src 127.0.0.1:${PORT}' | wc -l`],
      count: Number,
    },
  ];
  if (spawnSync(process.execPath, [CLI, "ports", "--help"]).status === 0) {
    list.push({
      name: "fourtuple ports :7777 --list | wc -l",
      timesAsFast: 1,
      command: ["sh", "-c", `"${process.execPath}" "${CLI}" ports --list --state established :${PORT} | wc -l`],
      count: Number,
    });
    list.push({
      name: "ss -tnH '( sport or dport = :7777 )' | wc -l",
      command: ["sh", "-c", `ss -tnH '( sport = :${PORT} or dport = :${PORT} )' | wc -l`],
      count: Number,
    });
  }
  return list;
}

/**
 * @param {ReturnType<typeof contenders>} list ours, each before the `ss` that it is compared with
 * @returns whether all counts were right and all measures met
 */
function report(list, rounds, wanted) {
  const results = list.map((contender) => ({ ...contender, seconds: [], cpu: [], kib: [], counted: -1 }));
  for (let round = 0; round < rounds; round++) for (const result of results) runOnce(result);
  let isGood = true;
  console.log(
    `${"".padEnd(46)}${"seconds (least-most)".padStart(24)}${"CPU s".padStart(8)}${"max RSS MB".padStart(12)}  sockets`,
  );
  for (const { name, seconds, cpu, kib, counted } of results) {
    const range = `${median(seconds).toFixed(2)} (${Math.min(...seconds).toFixed(2)}-${Math.max(...seconds).toFixed(2)})`;
    const megabytes = ((Math.max(...kib) * 1024) / 1e6).toFixed(0);
    console.log(
      `${name.padEnd(46)}${range.padStart(24)}${median(cpu).toFixed(2).padStart(8)}${megabytes.padStart(12)}  ${formatNumber(counted)}`,
    );
    // Rows of both ends are twice as many; `ports --list` may have a head line.
    isGood &&= [wanted, 2 * wanted, 2 * wanted + 1].includes(counted);
  }
  for (let i = 0; i + 1 < results.length; i += 2) {
    const { name, seconds, kib, timesAsFast } = results[i];
    const ratio = median(results[i + 1].seconds) / median(seconds);
    const megabytes = (Math.max(...kib) * 1024) / 1e6;
    const isMet = ratio >= timesAsFast && megabytes <= MAX_MEGABYTES;
    console.log(
      `\nss takes ${ratio.toFixed(2)} times as long as ${name} (wanted ${timesAsFast}), which takes ${megabytes.toFixed(0)} MB (wanted ${MAX_MEGABYTES} at most): ${isMet ? "met" : "missed"}`,
    );
    isGood &&= isMet;
  }
  return isGood;
}

function runOnce(result) {
  const start = performance.now();
  // GNU time tells of the whole tree; its line is the last on standard error.
  const { stdout, stderr } = spawnSync("/usr/bin/time", ["-f", "%U %S %M", ...result.command], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  result.seconds.push((performance.now() - start) / 1000);
  const [user = 0, system = 0, kib = 0] = (stderr ?? "").trim().split("\n").at(-1).split(" ").map(Number);
  result.cpu.push(user + system);
  result.kib.push(kib);
  result.counted = result.count(stdout.trim());
}

function countSs(args) {
  return spawnSync("ss", args, { encoding: "utf8" }).stdout.split("\n").filter(Boolean).length;
}

/** TCP sockets of this namespace, which cost nothing to count. */
function readInUse() {
  return Number(/^TCP: inuse (\d+)/m.exec(readFileSync("/proc/net/sockstat", "latin1"))?.[1]);
}

/** CPU seconds of the processes since the last time it was asked. */
function cpuOf(pids) {
  const ticks = pids.map((pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  });
  const now = ticks.reduce((sum, value) => sum + value, 0) / 100;
  const used = now - cpuBefore;
  cpuBefore = now;
  return Number.isNaN(used) ? Number.POSITIVE_INFINITY : used;
}

async function waitUntil(what, isTrue, deadlineMs = 10_000) {
  const end = performance.now() + deadlineMs;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function parseSockets(text) {
  const [, number, unit] = /^(\d+)([km]?)$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`--sockets ${text}: give 200k or 1m`);
  return Number(number) * ({ k: 1e3, m: 1e6 }[unit] ?? 1);
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
