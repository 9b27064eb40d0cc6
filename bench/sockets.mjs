// Counts sockets of a port in the kernel's table with a third-party tool, ss, which lets the kernel filter. Without ss,
// reads /proc/net/tcp, which takes seconds for millions of sockets.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** @typedef {{ local: string, remote: string, state: string }} Row of /proc/net/tcp */

const HOST = "127.0.0.1";
const HOST_IN_PROC = "0100007F";
const ESTABLISHED = "01";
const TIME_WAIT = "06";

/**
 * @param {number} port port of the server
 * @returns {Promise<{ sockets: number, source: string }>} number of connections at the server's end
 */
export function countEstablished(port) {
  return count(
    ["state", "established", `src ${HOST}:${port}`],
    ({ local, state }) => local === inProc(port) && state === ESTABLISHED,
  );
}

/**
 * @param {number} port port of the server
 * @returns {Promise<number>} number of sockets at either end in any state except TIME_WAIT
 */
export async function countLeft(port) {
  const ends = `( src ${HOST}:${port} or dst ${HOST}:${port} )`;
  const isOfPort = (/** @type {Row} */ { local, remote, state }) =>
    (local === inProc(port) || remote === inProc(port)) && state !== TIME_WAIT;
  return (await count(["state", "all", "exclude", "time-wait", ends], isOfPort)).sockets;
}

/**
 * @param {number} port port of the server
 * @returns {Promise<number>} number of sockets at either end in TIME_WAIT
 */
export async function countTimeWait(port) {
  const ends = `( src ${HOST}:${port} or dst ${HOST}:${port} )`;
  const isWaiting = (/** @type {Row} */ { local, remote, state }) =>
    (local === inProc(port) || remote === inProc(port)) && state === TIME_WAIT;
  return (await count(["state", "time-wait", ends], isWaiting)).sockets;
}

/**
 * @param {string[]} filter filter for ss
 * @param {(row: Row) => boolean} isWanted the same filter for /proc/net/tcp
 */
async function count(filter, isWanted) {
  const counted = await countWithSs(filter);
  if (counted !== undefined) return { sockets: counted, source: "ss" };
  let sockets = 0;
  for await (const line of createInterface(createReadStream("/proc/net/tcp", "latin1"))) {
    const [, local = "", remote = "", state = ""] = line.trim().split(/\s+/);
    if (isWanted({ local, remote, state })) sockets++;
  }
  return { sockets, source: "/proc/net/tcp" };
}

/**
 * @param {string[]} filter
 * @returns {Promise<number | undefined>} undefined if ss is missing or does not know the filter
 */
async function countWithSs(filter) {
  const ss = spawn("ss", ["-4Htn", ...filter], { stdio: ["ignore", "pipe", "ignore"] });
  let lines = 0;
  ss.stdout.on("data", (/** @type {Buffer} */ bytes) => {
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  });
  const code = await once(ss, "close").then(
    ([exit]) => exit,
    () => 1,
  );
  return code === 0 ? lines : undefined;
}

/** @param {number} port */
function inProc(port) {
  return `${HOST_IN_PROC}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}
