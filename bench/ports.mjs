// W7, the kernel's socket table: compares fourtuple with ss as whole processes, with the same filter on the same
// held sockets.
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Child } from "./child.mjs";
import { OURS } from "./contenders.mjs";
import { formatNumber } from "./format.mjs";
import { readCpuSeconds, readTcpSockets } from "./proc.mjs";
import { runWhole, WHOLE_PROCESS_METRICS } from "./whole-process.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
export const CLI = [process.execPath, `${ROOT}dist/cli/main.js`];
export const PORT = 7777;
const SOCKETS = 1_000_000;
const HOLD_MS = 3_600_000;
const READY_MS = 300_000;
const POLL_MS = 500;
const QUIET_SECONDS = 0.05;
const DEADLINE_MS = 60_000;
const SS = "ss";
const OUR_ROWS = "fourtuple-rows";
const SS_ROWS = "ss-rows";

// The address is part of the filter, because clients may have the server's port as their source port.
const GROUP = `import { socketTable } from ${JSON.stringify(`${ROOT}dist/index.js`)};
const table = await socketTable({ localIp: "127.0.0.1", localPort: ${PORT}, states: ["ESTABLISHED"] });
console.log(table.sockets, table.byPeer.distinct, table.source);`;
const LIST = `"$0" "$1" ports --list --state established :${PORT} | wc -l`;
// Restrict to IPv4: ss would otherwise read the kernel's table a second time for IPv6.
const SS_COUNT = `ss -4tnH 'src 127.0.0.1:${PORT}' | wc -l`;
export const SS_ROWS_COMMAND = `ss -4tnH '( sport = :${PORT} or dport = :${PORT} )' | wc -l`;

/**
 * @param {string} name
 * @param {string} settings
 * @param {string[]} command
 * @param {number} ends 1 to count the server's ends, 2 to list both
 */
const reader = (name, settings, command, ends) => ({
  name,
  settings,
  make: () => ({ version: "", server: [], client: [], command, ends }),
});

/** @type {import("./workloads.mjs").Workload} */
export const SOCKET_TABLE = {
  name: "W7",
  title: `the socket table of ${formatNumber(SOCKETS)} connections, both ends here`,
  rounds: 5,
  connections: SOCKETS,
  baseline: SS,
  contenders: [
    reader(
      OURS,
      "socketTable(), grouped by state, port and contender",
      [process.execPath, "--input-type=module", "-e", GROUP],
      1,
    ),
    reader(SS, SS_COUNT, ["sh", "-c", SS_COUNT], 1),
    reader(OUR_ROWS, `fourtuple ports --list --state established :${PORT} | wc -l`, ["sh", "-c", LIST, ...CLI], 2),
    reader(SS_ROWS, SS_ROWS_COMMAND, ["sh", "-c", SS_ROWS_COMMAND], 2),
  ],
  metrics: WHOLE_PROCESS_METRICS,
  measures: [
    { title: "time to count and group ÷ ss's", wanted: { atMost: 0.5 }, of: { metric: "seconds", against: SS } },
    {
      title: "CPU to count and group ÷ ss's",
      wanted: { atMost: 1 / 6 },
      of: { metric: "cpuSeconds", against: SS },
    },
    {
      title: "time to list rows ÷ ss's",
      wanted: { atMost: 1 },
      of: { metric: "seconds", against: SS_ROWS, contender: OUR_ROWS },
    },
    { title: "peak RSS (MB)", wanted: { atMost: 100 }, of: { metric: "peakMegabytes" } },
    { title: "peak RSS, listing (MB)", wanted: { atMost: 100 }, of: { metric: "peakMegabytes", contender: OUR_ROWS } },
  ],
  prepare: ({ atMost }) => hold(Math.min(SOCKETS, atMost)),
  run,
};

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 * @param {{ held: number }} prepared
 */
async function run({ name, command, ends }, round, { held }) {
  const about = { contender: name, round };
  try {
    const { output, ...cost } = await runWhole(command, DEADLINE_MS);
    const counted = Number(output.trim().split(" ")[0]);
    const expected = ends * held;
    // fourtuple's list has a header line.
    const isRight = counted === expected || (ends === 2 && counted === expected + 1);
    return { ...about, ...cost, counted, ...(!isRight && { error: `it counted ${counted} instead of ${expected}` }) };
  } catch (error) {
    return { ...about, error: /** @type {Error} */ (error).message };
  }
}

/**
 * Opens connections and holds them until close().
 *
 * @param {number} held
 */
export async function hold(held) {
  const { inuse: others = 0 } = readTcpSockets();
  const isInUse = (/** @type {number} */ sockets) => {
    if (failure) throw new Error(failure);
    return (readTcpSockets().inuse ?? 0) - others >= sockets;
  };
  /** @type {Child[]} */
  const children = [];
  let failure = "";
  const start = (/** @type {string[]} */ ...args) => {
    const child = new Child([...CLI, ...args], HOLD_MS);
    children.push(child);
    child.exited.then((how) => {
      failure ||= `fourtuple ${args[0]} ended with ${how} ${child.complaint}`;
    });
  };
  const close = async () => {
    for (const child of children) child.kill();
    await Promise.all(children.map(({ exited }) => exited));
  };
  try {
    start("serve", `127.0.0.1:${PORT}`, "--log", "none");
    await waitUntil("a listening socket", () => isInUse(1));
    start("connect", `127.0.0.1:${PORT}`, "-c", `${held}`, "-T", "1h");
    await waitUntil(`${held} connections`, () => isInUse(2 * held + 1));
    // The handshakes are over, but the accepting threads may still be busy, which must not affect the measurement.
    let used = Number.NaN;
    await waitUntil("a quiet host", () => {
      const before = used;
      used = children.reduce((sum, { pid }) => sum + readCpuSeconds(pid), 0);
      return used - before < QUIET_SECONDS;
    });
    return { held, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * @param {string} what
 * @param {() => boolean} isTrue
 */
async function waitUntil(what, isTrue) {
  const end = performance.now() + READY_MS;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`not within ${READY_MS / 1000} s: ${what}`);
    await delay(POLL_MS);
  }
}
