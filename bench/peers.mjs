// The pairs of server and client that are compared: how each is built and started, with which settings, and at which
// scales it can take part. All speak alike: the server prints "listening"; the client prints "ready", begins at a line
// of input, prints a line of JSON when it holds, and closes with RST when its input ends.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} settings in words, for the reader of the table
 * @property {number} window how many handshakes may be in flight
 * @property {string} version of the compiler or runtime
 * @property {string[]} server the command, to which a port is added
 * @property {string[]} client the command, to which port, connections, ports per source and window are added
 */

/** The one that everything is compared with. */
export const FLOOR = "c-epoll";
export const GO = "go";
export const OURS = "fourtuple";

const BUILD_MS = 120_000;
// What a process has open beside its connections.
const DESCRIPTORS_SPARE = 64;

const CANDIDATES = [
  {
    name: FLOOR,
    settings: "one thread, epoll, source ports of its own choice",
    window: 1024,
    connectionsAtMost: (/** @type {number} */ nofile) => nofile - DESCRIPTORS_SPARE,
    make() {
      const version = firstLine("cc", ["--version"]);
      return { version, server: [compileC("server")], client: [compileC("client")] };
    },
  },
  {
    name: GO,
    settings:
      "as in the article: a goroutine per connection, ports chosen by the kernel, 14,000 of them per source address",
    window: 256,
    connectionsAtMost: (/** @type {number} */ nofile) => nofile - DESCRIPTORS_SPARE,
    make() {
      const version = firstLine("go", ["version"]);
      return { version, server: [compileGo("server")], client: [compileGo("client")] };
    },
  },
  {
    name: OURS,
    settings: "the library in two Node processes, source ports of its own choice",
    window: 1024,
    connectionsAtMost: () => Number.POSITIVE_INFINITY,
    make() {
      const program = (/** @type {string} */ name) => [process.execPath, pathOf(`peers/fourtuple/${name}.mjs`)];
      return { version: `node ${process.version}`, server: program("server"), client: program("client") };
    },
  },
];

/**
 * Builds the peers that can take part.
 *
 * @param {import("./scales.mjs").Scale} scale
 * @param {number} nofileHard the hard limit of descriptors
 * @param {string[] | undefined} names only these
 * @returns {{ peers: Peer[], absent: { name: string, reason: string }[] }}
 */
export function preparePeers(scale, nofileHard, names) {
  /** @type {Peer[]} */
  const peers = [];
  const absent = (names ?? [])
    .filter((name) => !CANDIDATES.some((candidate) => candidate.name === name))
    .map((name) => ({ name, reason: "there is no such peer" }));
  for (const { name, settings, window, connectionsAtMost, make } of CANDIDATES) {
    if (names && !names.includes(name)) continue;
    const most = connectionsAtMost(nofileHard);
    if (scale.connections > most) {
      absent.push({
        name,
        reason: `it holds ${most.toLocaleString("en")} connections at most here (descriptor limit ${nofileHard.toLocaleString("en")})`,
      });
      continue;
    }
    try {
      peers.push({ name, settings: `${settings}; ${window.toLocaleString("en")} opening at once`, window, ...make() });
    } catch (error) {
      absent.push({ name, reason: explain(error) });
    }
  }
  return { peers, absent };
}

/** @param {string} name */
function compileC(name) {
  return build(`peers/c-epoll/${name}.c`, `c-${name}`, (source, target) => ["cc", ["-O2", "-o", target, source]]);
}

/** @param {string} name */
function compileGo(name) {
  return build(`peers/go/${name}.go`, `go-${name}`, (source, target) => ["go", ["build", "-o", target, source]]);
}

/**
 * Builds bench/build/<target>, unless it is there and newer than its source.
 *
 * @param {string} source
 * @param {string} target
 * @param {(source: string, target: string) => [string, string[]]} commandFor
 */
function build(source, target, commandFor) {
  const from = pathOf(source);
  const to = pathOf(`build/${target}`);
  if (existsSync(to) && statSync(to).mtimeMs > statSync(from).mtimeMs) return to;
  mkdirSync(pathOf("build"), { recursive: true });
  const [program, args] = commandFor(from, to);
  // Go's standard library is all that is needed: nothing is to be fetched.
  const go = {
    GOCACHE: process.env.GOCACHE ?? pathOf("build/go-cache"),
    GOFLAGS: "-mod=mod",
    GOPROXY: "off",
    GOTOOLCHAIN: "local",
  };
  execFileSync(program, args, { timeout: BUILD_MS, stdio: "pipe", env: { ...process.env, ...go } });
  return to;
}

/**
 * @param {string} program
 * @param {string[]} args
 */
function firstLine(program, args) {
  return execFileSync(program, args, { encoding: "utf8", timeout: BUILD_MS, stdio: "pipe" }).split("\n")[0] ?? "";
}

/** @param {any} error */
function explain(error) {
  if (error.code === "ENOENT") return `${error.path} is not installed`;
  return `it does not build: ${
    String(error.stderr || error.message)
      .trim()
      .split("\n")[0]
  }`;
}

/** @param {string} path */
function pathOf(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}
