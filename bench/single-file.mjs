// The single executable (FOURTUPLE_FILE names it), and the package's files with the Node that it contains, as contenders:
// both run the same commands, so the difference is what the executable costs.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { NODE_VERSION } from "../scripts/package/places.mjs";
import { fetchPackage } from "../scripts/package/registry.mjs";
import { started } from "./contenders.mjs";

export const FILE = "fourtuple-file";
export const PACKAGE = "fourtuple-package";
/** The largest difference, as a share. */
const DIFFERENCE = 0.03;

const RAMPS = [
  {
    name: PACKAGE,
    settings: `the command line: the package's files with Node ${NODE_VERSION}`,
    program: packageCommand,
  },
  { name: FILE, settings: "the command line: the single executable", program: fileCommand },
];

/**
 * Returns both as contenders that open and hold connections.
 *
 * @param {string} [size] their own size, such as "1m"; by default, the workload's
 * @returns {import("./contenders.mjs").Candidate[]}
 */
export function fileContenders(size) {
  return RAMPS.map(({ name, settings, program }) => ({
    name: sized(name, size),
    settings,
    window: 1024,
    isForeign: true,
    readReport,
    make() {
      const words = program().map(quoted).join(" ");
      return {
        version: `node ${NODE_VERSION}`,
        server: ["sh", "-c", `exec ${words} serve "127.0.0.1:$1" --log none --json`, "sh"],
        client: started(
          `exec ${words} connect "127.0.0.1:$1" -c "$2" --source-port "1024-$((1023 + $3))" --concurrency "$4" -T 1h --close rst --json`,
        ),
      };
    },
  }));
}

/**
 * Returns what the executable may cost.
 * @param {string} [size]
 * @returns {import("./measures.mjs").Measure[]}
 */
export function fileMeasures(size) {
  const [contender, against] = [sized(FILE, size), sized(PACKAGE, size)];
  return [
    {
      title: `${contender}: rate ÷ the package's`,
      wanted: { atLeast: 1 - DIFFERENCE },
      of: { metric: "ratePerSec", contender, against },
    },
    {
      title: `${contender}: CPU per connection ÷ the package's`,
      wanted: { atMost: 1 + DIFFERENCE },
      of: { metric: "cpuUs", contender, against },
    },
  ];
}

/**
 * @returns {string[]} the command line of the executable
 * @throws {Error} if FOURTUPLE_FILE does not name it
 */
export function fileCommand() {
  const file = process.env.FOURTUPLE_FILE;
  if (!file) throw new Error("FOURTUPLE_FILE is not set");
  if (!existsSync(file)) throw new Error(`FOURTUPLE_FILE: ${file} does not exist`);
  return [resolve(file)];
}

/**
 * @returns {string[]} the command line of the package's files with the executable's Node
 * @throws {Error} if there is no executable to compare with, or if that Node cannot be fetched
 */
export function packageCommand() {
  fileCommand();
  return [nodeOfFile(), fileURLToPath(new URL("../dist/cli/main.js", import.meta.url))];
}

/** @returns {string} path of the Node that the executable contains, as released */
export function nodeOfFile() {
  return join(fetchPackage(`node-linux-${process.arch}@${NODE_VERSION}`), "bin/node");
}

/** @param {string} result last line of `connect --json` */
function readReport(result) {
  const { established, failed, failures, lost, losses, rampMs, setupMs, closeMs, threads } = JSON.parse(result);
  return {
    established,
    failed,
    failures,
    lost,
    losses,
    seconds: rampMs / 1000,
    setupSeconds: setupMs / 1000,
    closeSeconds: closeMs / 1000,
    threads,
  };
}

/** @param {string} name @param {string | undefined} size */
function sized(name, size) {
  return size === undefined ? name : `${name}@${size}`;
}

/** @param {string} word */
function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
