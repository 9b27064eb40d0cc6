// Pairs of server and client to compare, as data: how to build and start each, its settings, and how many connections
// it can hold. All have the same interface: the server prints "listening"; the client prints "ready", starts on a line
// of input, prints a line of JSON when it holds its connections, and closes them with RST when its input ends.
import { commandOf, firstLine, pairOf } from "./programs.mjs";
import { SCALES } from "./scales.mjs";

/**
 * @typedef {object} Programs
 * @property {string} version version of the compiler or runtime
 * @property {string[]} server command, to which a port is appended
 * @property {string[]} client command, to which port, connections, ports per source and window are appended
 */

/**
 * @typedef {object} Candidate
 * @property {string} name
 * @property {string} settings description for the reader of the table
 * @property {number} [window] maximum number of handshakes in flight
 * @property {boolean} [isBounded] true if limited by descriptors
 * @property {boolean} [isForeign] true if the client is a third-party tool that does not report when it holds its
 *   connections, so the harness asks the kernel
 * @property {(result: string) => object} [readReport] reads the last line that a third-party client prints
 * @property {boolean} [opensNothing] true for the harness itself, which opens no connections
 * @property {() => Programs & Record<string, any>} make builds what it needs; throws with the reason if it cannot
 */

/**
 * @typedef {Omit<Candidate, "make"> & Programs & { scale?: import("./scales.mjs").Scale } & Record<string, any>}
 *   Contender
 */

/** The contender that all others are compared with. */
export const BASELINE = "c-epoll";
/** This contender shows what the kernel can do when one system call submits hundreds of operations. */
export const C_URING = "c-uring";
export const GO = "go";
export const NODE = "node";
export const NODE_ONE_SOURCE = "node-one-source";
export const BUN = "bun";
export const OURS = "fourtuple";
export const OURS_KERNEL_PORTS = "fourtuple-kernel-ports";
export const OURS_EPOLL = "fourtuple-epoll";
export const OURS_URING = "fourtuple-uring";
export const NOOP = "noop";

/** The contenders of this repository, one for each engine. */
const ALL_OURS = [OURS, OURS_EPOLL, OURS_URING];

// Descriptors of a process in addition to its connections.
const DESCRIPTORS_SPARE = 64;
// Idle time of a trial with fewer connections, for which the idle cost does not matter.
const TRIAL_IDLE_MS = 100;
/** The programs that open and hold connections. */
const HOLDING = { server: "server", client: "client" };
const HTTP_GREETING = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/** @type {Candidate[]} */
const CANDIDATES = [
  {
    name: BASELINE,
    settings: "C, one thread, epoll, chooses source ports itself",
    window: 1024,
    isBounded: true,
    make: () => pairOf(BASELINE, HOLDING),
  },
  {
    name: C_URING,
    settings: "C, one thread, io_uring: each connection is one chain of entries, chooses source ports itself",
    window: 1024,
    make: () => pairOf(C_URING, HOLDING),
  },
  {
    name: GO,
    settings: "a goroutine per connection, 14,000 from each source address, ports chosen by the kernel",
    window: 256,
    isBounded: true,
    make: () => pairOf(GO, HOLDING),
  },
  {
    name: NODE,
    settings: "Node's net, localAddress, 7,000 from each source address, so that libuv's bind() finds a port quickly",
    window: 64,
    isBounded: true,
    make: () => pairOf(NODE, HOLDING, "--per-source", "7000"),
  },
  {
    name: NODE_ONE_SOURCE,
    settings: "Node's net, all from one localAddress; stopped after 30 s",
    window: 64,
    isBounded: true,
    make: () => pairOf(NODE, HOLDING, "--within", "30"),
  },
  {
    name: BUN,
    settings: "Bun.listen and Bun.connect; the kernel chooses source address and port",
    window: 64,
    isBounded: true,
    make: () => pairOf(BUN, HOLDING),
  },
  {
    name: "tcpkali",
    settings: "tcpkali (path in TCPKALI), two workers, against the C server; memory includes the tool's start",
    isBounded: true,
    isForeign: true,
    make() {
      if (!process.env.TCPKALI) throw new Error("TCPKALI is not set");
      const command = 'exec "$TCPKALI" --workers 2 -c "$2" --connect-rate 1000000 --duration 1h "127.0.0.1:$1"';
      return { version: process.env.TCPKALI, server: commandOf(BASELINE, "server"), client: started(command) };
    },
  },
  {
    name: "wrk",
    settings: "two threads, against the C server, which greets with an HTTP response; memory includes the tool's start",
    isBounded: true,
    isForeign: true,
    make() {
      const version = firstLine("sh", "-c", "command -v wrk || { echo not found in PATH >&2; exit 1; }");
      const server = ["env", `GREETING=${HTTP_GREETING}`, ...commandOf(BASELINE, "server")];
      return { version, server, client: started('exec wrk -t 2 -c "$2" -d 1h "http://127.0.0.1:$1/"') };
    },
  },
  {
    name: NOOP,
    settings: "opens nothing: shows the overhead of the harness",
    opensNothing: true,
    make: () => pairOf(NOOP, HOLDING),
  },
  {
    name: OURS,
    settings: "the library in two Node processes, chooses source ports itself",
    window: 1024,
    make: () => pairOf(OURS, HOLDING),
  },
  ...[OURS_EPOLL, OURS_URING].map((name) => ({
    name,
    settings: `the same with engine: "${name.split("-")[1]}"`,
    window: 1024,
    make: () => pairOf(name, HOLDING),
  })),
  {
    name: OURS_KERNEL_PORTS,
    settings: 'the same with sourcePorts: "kernel"; stopped after 90 s, so its rate is an upper bound',
    window: 1024,
    make: () => pairOf(OURS, HOLDING, "--kernel-ports", "--within", "90"),
  },
];

/**
 * Returns the contenders of a workload with its own programs.
 *
 * @param {{ server: string, client: string }} roles roles of these programs
 * @param {Record<string, string>} settings descriptions by contender
 * @param {{ holdsAll: boolean }} load whether all connections are open at once, so that programs with one table are
 *   limited by descriptors
 * @returns {Candidate[]}
 */
export function candidates(roles, settings, { holdsAll }) {
  return Object.entries(settings).map(([name, words]) => ({
    name,
    settings: words,
    isBounded: holdsAll && name !== C_URING && !ALL_OURS.includes(name),
    make: () => pairOf(name, roles),
  }));
}

/**
 * Builds the contenders of a workload that can take part.
 *
 * @param {import("./workloads.mjs").Workload} workload
 * @param {{ nofileHard: number, only?: string[] | undefined, atMost: number }} conditions
 * @returns {{ contenders: Contender[], absent: { name: string, reason: string }[] }}
 */
export function prepareContenders(workload, { nofileHard, only, atMost }) {
  /** @type {Contender[]} */
  const contenders = [];
  const absent = [];
  const entries = workload.contenders.map((entry) => (typeof entry === "string" ? { name: entry } : entry));
  const isWanted = (/** @type {string} */ name) => !only || only.some((word) => word === name || word === bare(name));
  for (const word of only ?? []) {
    if (entries.every(({ name }) => name !== word && bare(name) !== word))
      absent.push({ name: word, reason: `${workload.name} does not include this contender` });
  }
  for (const entry of entries.filter(({ name }) => isWanted(name))) {
    const { name } = entry;
    const size = name.split("@")[1];
    const requested = size === undefined ? workload.scale : SCALES[size];
    const scale = requested && scaleDown({ ...requested, idleMs: workload.idleMs ?? requested.idleMs }, atMost);
    const candidate = "make" in entry ? entry : CANDIDATES.find((one) => one.name === bare(name));
    try {
      if (!candidate) throw new Error("unknown contender");
      const most = candidate.isBounded ? nofileHard - DESCRIPTORS_SPARE : Number.POSITIVE_INFINITY;
      if (size !== undefined && requested && requested.connections > atMost) throw new Error("excluded by --at-most");
      if (scale && scale.connections > most)
        throw new Error(`the descriptor limit allows only ${most.toLocaleString("en")} connections`);
      const { make, ...rest } = candidate;
      contenders.push({ ...rest, ...make(), name, ...(scale && { scale }) });
    } catch (error) {
      absent.push({ name, reason: explainAbsence(error) });
    }
  }
  return { contenders, absent };
}

/**
 * @param {import("./scales.mjs").Scale} scale
 * @param {number} atMost
 */
function scaleDown(scale, atMost) {
  return atMost < scale.connections ? { ...scale, connections: atMost, idleMs: TRIAL_IDLE_MS } : scale;
}

/** @param {string} name such as fourtuple@1m */
function bare(name) {
  return name.split("@")[0];
}

/**
 * @param {string} command command in which $1 is the port and $2 the number of connections
 * @returns {string[]} a shell that waits for a line of input and then replaces itself with the command
 */
export function started(command) {
  return ["sh", "-c", `echo ready; read -r go; ${command}`, "sh"];
}

/**
 * @param {any} error error from creating a contender
 * @returns {string} why it is left out
 */
function explainAbsence(error) {
  if (error.code === "ENOENT") return `${error.path} is not installed`;
  const said = String(error.stderr ?? "").trim() || String(error.message);
  const lines = said.split("\n");
  return lines.find((line) => !line.startsWith("npm warn")) ?? said;
}
