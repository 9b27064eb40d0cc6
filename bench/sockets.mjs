// Counts sockets of a port in the kernel's table with a third-party tool, ss, which lets the kernel filter. Without ss,
// reads /proc/net/tcp, which takes seconds for millions of sockets.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** @typedef {{ local: string, remote: string, state: string }} Row of /proc/net/tcp */

/**
 * @typedef {object} Place where the server and the client of a round run
 * @property {string} ip the server's address
 * @property {string[]} server command prefix of the server and of programs that read its socket table
 * @property {string[]} client command prefix of the client
 */

/** Both on this host, over loopback. @type {Place} */
export const HERE = { ip: "127.0.0.1", server: [], client: [] };

const ESTABLISHED = "01";
const TIME_WAIT = "06";

/**
 * @param {number} port port of the server
 * @param {Place} place
 * @returns {Promise<{ sockets: number, source: string }>} number of connections at the server's end
 */
export function countEstablished(port, place = HERE) {
  const server = inProc(place, port);
  return count(
    place,
    ["state", "established", `src ${place.ip}:${port}`],
    ({ local, state }) => local === server && state === ESTABLISHED,
  );
}

/**
 * @param {number} port port of the server
 * @param {Place} place
 * @returns {Promise<number>} number of sockets in the server's namespace, at either end, in any state except TIME_WAIT
 */
export async function countLeft(port, place = HERE) {
  const ends = `( src ${place.ip}:${port} or dst ${place.ip}:${port} )`;
  const server = inProc(place, port);
  const isOfPort = (/** @type {Row} */ { local, remote, state }) =>
    (local === server || remote === server) && state !== TIME_WAIT;
  return (await count(place, ["state", "all", "exclude", "time-wait", ends], isOfPort)).sockets;
}

/**
 * @param {number} port port of the server
 * @param {Place} place
 * @returns {Promise<number>} number of sockets in the server's namespace, at either end, in TIME_WAIT
 */
export async function countTimeWait(port, place = HERE) {
  const ends = `( src ${place.ip}:${port} or dst ${place.ip}:${port} )`;
  const server = inProc(place, port);
  const isWaiting = (/** @type {Row} */ { local, remote, state }) =>
    (local === server || remote === server) && state === TIME_WAIT;
  return (await count(place, ["state", "time-wait", ends], isWaiting)).sockets;
}

/**
 * @param {Place} place
 * @param {string[]} filter filter for ss
 * @param {(row: Row) => boolean} isWanted the same filter for /proc/net/tcp
 */
async function count({ server }, filter, isWanted) {
  const counted = await countLines([...server, "ss", "-4Htn", ...filter]);
  if (counted !== undefined) return { sockets: counted, source: "ss" };
  if (server.length > 0) throw new Error("ss is missing, or does not know a filter");
  let sockets = 0;
  for await (const line of createInterface(createReadStream("/proc/net/tcp", "latin1"))) {
    const [, local = "", remote = "", state = ""] = line.trim().split(/\s+/);
    if (isWanted({ local, remote, state })) sockets++;
  }
  return { sockets, source: "/proc/net/tcp" };
}

/**
 * @param {string[]} command
 * @returns {Promise<number | undefined>} number of lines that it prints; undefined if it is missing or fails
 */
async function countLines([program = "", ...args]) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  let lines = 0;
  child.stdout.on("data", (/** @type {Buffer} */ bytes) => {
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  });
  const code = await once(child, "close").then(
    ([exit]) => exit,
    () => 1,
  );
  return code === 0 ? lines : undefined;
}

/**
 * @param {Place} place
 * @param {number} port
 */
function inProc({ ip }, port) {
  const bytes = ip.split(".").map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0"));
  return `${bytes.reverse().join("")}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}
