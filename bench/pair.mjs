// Runs a server and its client on their own port from start to exit, for workloads in which the client reports the
// measurement. Anything left behind counts as a failure.
import { Child } from "./child.mjs";
import { readMemory, readTcpSockets } from "./proc.mjs";
import { countTimeWait, HERE } from "./sockets.mjs";
import { freePort, untilGone, untilNoTimeWait } from "./waits.mjs";

/**
 * @typedef {object} Pair
 * @property {Child} server the listening server
 * @property {() => Promise<Child>} startClient starts a client and waits until it is ready
 * @property {(client: Child) => Promise<void>} end lets a client close its connections and exit
 */

/**
 * Runs a round with a pair.
 *
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 * @param {number[]} clientArgs arguments after the port
 * @param {(pair: Pair) => Promise<object>} run measures and returns the figures; throws on failure
 * @param {import("./sockets.mjs").Place} place
 */
export async function runPair(contender, round, clientArgs, run, place = HERE) {
  const { connections, deadlineMs } = /** @type {import("./scales.mjs").Scale} */ (contender.scale);
  const port = await freePort();
  const about = { contender: contender.name, round, port, requested: connections };
  const hostBefore = readHost();
  /** @type {Child[]} */
  const children = [];
  let isClean = false;
  const start = async (/** @type {string[]} */ command, /** @type {number[]} */ args, /** @type {string} */ word) => {
    const child = new Child([...command, ...args.map(String)], deadlineMs);
    children.push(child);
    await child.expectLine(word);
    return child;
  };
  try {
    const server = await start([...place.server, ...contender.server], [port], "listening");
    const startClient = () => start([...place.client, ...contender.client], [port, ...clientArgs], "ready");
    const seen = await run({ server, startClient, end });
    server.kill("SIGTERM");
    const serverExit = await server.exited;
    // SIGTERM kills a program without a handler for it.
    if (serverExit !== 0 && serverExit !== "SIGTERM") throw new Error(`the server ended with ${serverExit}`);
    const socketsLeft = await untilGone(port, place);
    if (socketsLeft > 0) throw new Error(`${socketsLeft} sockets were left on the port`);
    const timeWaitLeft = await countTimeWait(port, place);
    isClean = timeWaitLeft === 0;
    return { ...about, ...seen, timeWaitLeft, hostBefore, hostAfter: readHost() };
  } catch (error) {
    return { ...about, error: /** @type {Error} */ (error).message };
  } finally {
    for (const child of children) child.kill();
    await Promise.all(children.map(({ exited }) => exited));
    // Killed processes close with FIN. Wait, so that the next round does not encounter their sockets in TIME_WAIT.
    if (!isClean) await untilNoTimeWait(port, place);
  }
}

function readHost() {
  return { sockets: readTcpSockets(), memory: readMemory() };
}

/** @param {Child} client */
async function end(client) {
  client.endInput();
  const exit = await client.exited;
  if (exit !== 0) throw new Error(`the client ended with ${exit}`);
}
