// Fills a router's connection tracking from both sides without kernel sockets: `connect` and `serve` with --transport
// packet in two namespaces, and between them a third one that forwards and tracks their packets. Usage, as root and
// after npm run build: node bench/conntrack.mjs [--connections N] [--into FOLDER]. It raises limits of the host's
// kernel that are too low, and restores them at the end. The exit code is 0 if every connection was accepted, held and
// tracked, 1 if not, 2 for invalid usage.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exitCodeOf, STOP_SIGNALS } from "./child.mjs";
import { readMachine } from "./machine.mjs";
import { readCpuTimes, readResident } from "./proc.mjs";

/** @type {typeof import("../dist/util/subprocess.js")} */
const { Subprocess } = await import(new URL("../dist/util/subprocess.js", import.meta.url).href);

const CLI = [process.execPath, fileURLToPath(new URL("../dist/cli/main.js", import.meta.url))];
const [CLIENT, ROUTER, SERVER] = ["client", "router", "server"].map((name) => `fourtuple-ct-${process.pid}-${name}`);
const [SOURCES, DESTINATION] = ["10.64.0.0/10", "10.128.0.1"];
const MAX = "/proc/sys/net/netfilter/nf_conntrack_max";
const BACKLOG = "/proc/sys/net/core/netdev_max_backlog";
const BUCKETS = "/sys/module/nf_conntrack/parameters/hashsize";
/** Settings of the namespaces. No packet is for a socket, so the kernel need not look for one. */
const SETTINGS = ["net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.ip_early_demux=0"];
/** Packets that may wait at the receiving end of a virtual link. */
const QUEUED = 20_000;
/** Aim: user memory of both ends of a connection together. */
const MOST_BYTES = 64;
const TITLE = "a router's connection tracking, filled without kernel sockets";
const POLL_MS = 500;
/** Time without a new connection after which the run has failed. */
const STALLED_MS = 60_000;
const END_MS = 600_000;

/** Undoes what the run has changed, the last change first. @type {(() => void)[]} */
const undo = [];

process.exitCode = await main();

async function main() {
  const { values } = parseArgs({
    options: { connections: { type: "string", default: "1000000" }, into: { type: "string" } },
  });
  const count = Number(values.connections);
  if (!Number.isInteger(count) || count < 1) {
    console.error("usage: node bench/conntrack.mjs [--connections N] [--into FOLDER]");
    return 2;
  }
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      restore();
      process.exit(exitCodeOf(signal));
    });
  }
  try {
    layOut();
    makeRoom(count);
    return await run(count, values.into);
  } finally {
    restore();
  }
}

/**
 * @param {number} count
 * @param {string | undefined} into folder for the result
 */
async function run(count, into) {
  const server = start(SERVER, ["serve", `${DESTINATION}:7777`, "--transport", "packet", "--log", "none", "--json"]);
  await server.program.prints(/"listening"/);
  const to = ["connect", `${DESTINATION}:7777`, "--transport", "packet", "--source-ip", SOURCES, "--authorized"];
  const beganMs = performance.now();
  const client = start(CLIENT, [...to, "-c", `${count}`, "-T", "forever", "--json"]);
  await client.program.prints(/"snapshot"/);
  const before = usesOf(client, server);
  await untilOpen(client, Math.floor(count / 2));
  const half = usesOf(client, server);
  const open = [await untilOpen(client, count), await untilOpen(server, count)];
  const openedSec = (performance.now() - beganMs) / 1000;
  const tracked = Number(inside(ROUTER, "cat", "/proc/sys/net/netfilter/nf_conntrack_count"));
  const after = usesOf(client, server);
  const slab = slabBytes();
  const [clientResult, closedSec] = await endOf(client, "SIGINT");
  const [serverResult] = await endOf(server, "SIGTERM");
  const [total, slope] = [bytesBetween(before, after, count), bytesBetween(half, after, after.open - half.open)];
  const rows = [
    ["requested", count],
    ["established", clientResult.established],
    ["open when counted", open.join(", at the server ")],
    ["tracked by the router", tracked],
    ["accepted by the server", serverResult.accepted],
    ["failed, lost", `${clientResult.failed}, ${clientResult.lost}`],
    ["opened in", `${openedSec.toFixed(1)} s, ${Math.round(count / openedSec)}/s`],
    ["closed in", `${closedSec.toFixed(1)} s`],
    ["CPU per connection, client", formatCpu(before.client, after.client, count)],
    ["CPU per connection, server", formatCpu(before.server, after.server, count)],
    ["user memory per connection", `${total} (aim: both at most ${MOST_BYTES})`],
    ["of the second half", slope],
    ["slab of the kernel then", `${Math.round(slab / 1024 ** 2)} MiB`],
    ["sent again", `${clientResult.packets.retransmitted} segments, ${clientResult.packets.repeatedSyns} SYNs`],
  ];
  for (const [name, value] of rows) console.log(`  ${`${name}`.padEnd(28)}${value}`);
  if (into !== undefined) write(into, rows);
  for (const { phase, errno, count: n } of clientResult.failures) console.log(`  failed: ${phase} ${errno}: ${n}`);
  const isWhole = open[1] === count && clientResult.established === count && clientResult.lost === 0;
  const isTracked = tracked >= count;
  if (!isTracked) console.log(`  the router tracks fewer: its limit is ${readFileSync(MAX, "utf8").trim()}`);
  return isWhole && isTracked ? 0 : 1;
}

/**
 * @param {string} into
 * @param {(string | number)[][]} rows
 */
function write(into, rows) {
  const command = `node bench/conntrack.mjs ${process.argv.slice(2).join(" ")}`;
  const machine = { ...readMachine(fileURLToPath(new URL("..", import.meta.url))), command };
  const figures = Object.fromEntries(rows);
  const result = { kind: "bench", version: 2, workload: "conntrack", title: TITLE, machine, figures };
  mkdirSync(into, { recursive: true });
  writeFileSync(join(into, "bench-conntrack.json"), `${JSON.stringify(result, null, 2)}\n`);
}

/**
 * @param {ReturnType<typeof start>} client
 * @param {ReturnType<typeof start>} server
 */
function usesOf(client, server) {
  const of = (/** @type {number} */ pid) => ({ bytes: readResident(pid), ...readCpuTimes(pid) });
  return { open: client.open, client: of(client.pid), server: of(server.pid) };
}

/**
 * Formats how much memory each connection has taken.
 * @param {ReturnType<typeof usesOf>} from
 * @param {ReturnType<typeof usesOf>} to
 * @param {number} count
 */
function bytesBetween(from, to, count) {
  const client = (to.client.bytes - from.client.bytes) / count;
  const server = (to.server.bytes - from.server.bytes) / count;
  return `client ${client.toFixed(1)} B, server ${server.toFixed(1)} B, both ${(client + server).toFixed(1)} B`;
}

/**
 * @param {{ user: number, system: number }} from
 * @param {{ user: number, system: number }} to
 * @param {number} count
 */
function formatCpu(from, to, count) {
  const us = (/** @type {"user" | "system"} */ kind) => (((to[kind] - from[kind]) * 1e6) / count).toFixed(1);
  return `${us("user")} µs user, ${us("system")} µs system`;
}

/**
 * Waits until a program has this many open connections, or makes no more progress, and returns their number.
 * @param {ReturnType<typeof start>} running
 * @param {number} count
 */
async function untilOpen(running, count) {
  const { program } = running;
  while (running.open < count && !program.hasEnded && performance.now() - running.changedMs < STALLED_MS) {
    program.stdout = "";
    if (process.stderr.isTTY) process.stderr.write(`\ropen ${running.open} of ${count} `);
    await delay(POLL_MS);
  }
  return running.open;
}

/**
 * Stops a program, and returns its result and how long that took, in seconds.
 * @param {ReturnType<typeof start>} running
 * @param {NodeJS.Signals} signal
 * @returns {Promise<[any, number]>}
 */
async function endOf({ program, pid }, signal) {
  const beganMs = performance.now();
  const timer = setTimeout(() => program.child.kill("SIGKILL"), END_MS);
  process.kill(pid, signal);
  const { stdout } = await program.result;
  clearTimeout(timer);
  return [JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""), (performance.now() - beganMs) / 1000];
}

/** Makes three namespaces in a row, the middle one of which tracks connections. */
function layOut() {
  for (const name of [CLIENT, ROUTER, SERVER]) {
    ip("netns", "add", name);
    undo.push(() => spawnSync("ip", ["netns", "delete", name]));
    ip("-n", name, "link", "set", "lo", "up");
    inside(name, "sysctl", "-qw", ...SETTINGS);
  }
  for (const [name, network] of [
    [CLIENT, "10.1.0"],
    [SERVER, "10.2.0"],
  ]) {
    const device = `to-${name.split("-").at(-1)}`;
    ip("-n", name, "link", "add", "to-router", "type", "veth", "peer", "name", device, "netns", ROUTER);
    ip("-n", name, "addr", "add", `${network}.2/24`, "dev", "to-router");
    ip("-n", ROUTER, "addr", "add", `${network}.1/24`, "dev", device);
    for (const [at, end] of [
      [name, "to-router"],
      [ROUTER, device],
    ])
      ip("-n", at, "link", "set", end, "txqueuelen", "20000", "up");
    ip("-n", name, "route", "add", "default", "via", `${network}.1`);
  }
  ip("-n", ROUTER, "route", "add", SOURCES, "via", "10.1.0.2");
  ip("-n", ROUTER, "route", "add", `${DESTINATION}/32`, "via", "10.2.0.2");
  const rules =
    "add table ip f; add chain ip f c { type filter hook forward priority 0; policy drop; }; " +
    "add rule ip f c ct state new,established accept";
  inside(ROUTER, "nft", rules);
}

/**
 * Raises the number of connections that the host's namespaces may track, the length of the kernel's table, and that of
 * the queue in front of it.
 * @param {number} count
 */
function makeRoom(count) {
  // As in the kernel's own ratio, there is a bucket for each connection, which has an entry in each direction.
  const wanted = { [MAX]: count + 1000, [BUCKETS]: count, [BACKLOG]: QUEUED };
  for (const [file, least] of Object.entries(wanted)) {
    const before = readFileSync(file, "utf8").trim();
    if (Number(before) >= least) continue;
    try {
      writeFileSync(file, `${least}`);
      undo.push(() => writeFileSync(file, before));
    } catch (error) {
      console.error(`note: ${file} stays at ${before}: ${/** @type {Error} */ (error).message}`);
    }
  }
}

function restore() {
  for (const each of undo.splice(0).reverse()) each();
}

/**
 * Starts the command line in a namespace, and follows its number of open connections.
 * @param {string} namespace
 * @param {string[]} args
 */
function start(namespace, args) {
  // `ip netns exec` replaces itself, so the process keeps its number.
  const program = new Subprocess(["ip", "netns", "exec", namespace, ...CLI, ...args], {});
  undo.push(() => program.child.kill("SIGKILL"));
  const pid = /** @type {number} */ (program.child.pid);
  const running = { program, pid, open: 0, changedMs: performance.now() };
  program.on("line", (line) => {
    const { event, open } = JSON.parse(line);
    if (event !== "snapshot" || open === running.open) return;
    running.open = open;
    running.changedMs = performance.now();
  });
  return running;
}

/** @param {string[]} args */
function ip(...args) {
  execFileSync("ip", args);
}

/**
 * @param {string} namespace
 * @param {string[]} command
 */
function inside(namespace, ...command) {
  return execFileSync("ip", ["netns", "exec", namespace, ...command], { encoding: "utf8" });
}

function slabBytes() {
  return Number(/^Slab:\s*(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
}
