// W6, churn: connections are opened, greeted and closed by the client as fast as the pair can, so many there at once. They are
// closed with RST, or each would leave a TIME_WAIT for a minute: at 30,000 a second nearly two millions of them.
import { candidates } from "./candidates.mjs";
import { Child } from "./child.mjs";
import { readCpuSeconds, readTcpSockets } from "./proc.mjs";
import { countLeft, countTimeWait } from "./sockets.mjs";
import { freePort } from "./waits.mjs";

// Some seconds of the fastest; a slow pair takes longer for the same.
const CONNECTIONS = 150_000;
const AT_ONCE = 256;
const DEADLINE_MS = 60_000;

const SETTINGS = {
  "c-epoll": "C, one thread a side, epoll, source ports of its own choice",
  go: `${AT_ONCE} goroutines that dial, read and reset, source ports of its own choice`,
  node: "Node's net, resetAndDestroy(), source ports of its own choice",
  bun: "Bun.connect, terminate(); it cannot name a source port, the kernel chooses",
  fourtuple: "the library: connect({ closeAfterGreeting: true, close: 'rst' }), source ports of its own choice",
};

export const CHURN = {
  name: "W6",
  title: `churn: ${CONNECTIONS.toLocaleString("en")} connections opened, greeted and reset, ${AT_ONCE} at once`,
  rounds: 5,
  deadlineMs: DEADLINE_MS,
  floor: "c-epoll",
  peers: candidates({ server: "server", client: "churn-client" }, SETTINGS),
  connections: CONNECTIONS,
  metrics: {
    ratePerSec: {
      label: "connections/s",
      isCompared: true,
      of: (/** @type {any} */ { greeted, seconds }) => greeted / seconds,
    },
    cpuUs: { label: "CPU/connection, both (µs)", isCompared: true, of: cpuPerConnection("client", "server") },
    clientCpuUs: { label: "  client (µs)", of: cpuPerConnection("client") },
    serverCpuUs: { label: "  server (µs)", of: cpuPerConnection("server") },
    timeWaitLeft: {
      label: "TIME_WAIT left",
      of: (/** @type {any} */ { timeWait }) => timeWait.after - timeWait.before,
    },
  },
  play: playChurn,
  measures: [{ title: "TIME_WAIT left", wanted: { atMost: 0 }, of: { metric: "timeWaitLeft" } }],
};

/**
 * @param {{ name: string, server: string[], client: string[] }} peer
 * @param {number} round
 */
async function playChurn({ name, ...command }, round) {
  const port = await freePort();
  /** @type {Child[]} */
  const children = [];
  try {
    const server = new Child([...command.server, `${port}`], DEADLINE_MS);
    children.push(server);
    await server.expectLine("listening");
    const client = new Child([...command.client, ...[port, CONNECTIONS, AT_ONCE].map(String)], DEADLINE_MS);
    children.push(client);
    await client.expectLine("ready");
    const waitingBefore = await countTimeWait(port);
    const hostBefore = readTcpSockets();
    const before = { server: readCpuSeconds(server.pid), client: readCpuSeconds(client.pid) };
    client.write("go\n");
    const figures = JSON.parse(await client.expectLine("the end of the churn"));
    const cpuSeconds = {
      server: readCpuSeconds(server.pid) - before.server,
      client: readCpuSeconds(client.pid) - before.client,
    };
    const timeWait = { before: waitingBefore, after: await countTimeWait(port) };
    const hostAfter = readTcpSockets();
    const clientExit = await client.exited;
    server.kill("SIGTERM");
    const serverExit = await server.exited;
    const socketsLeft = await countLeft(port);
    const outcome = {
      peer: name,
      round,
      port,
      asked: CONNECTIONS,
      ...figures,
      cpuSeconds,
      timeWait,
      hostBefore,
      hostAfter,
      clientExit,
      serverExit,
      socketsLeft,
    };
    return figures.greeted === CONNECTIONS
      ? outcome
      : { ...outcome, error: `${figures.greeted} of ${CONNECTIONS} were greeted, ${figures.failed} failed` };
  } catch (error) {
    return { peer: name, round, port, error: /** @type {Error} */ (error).message };
  } finally {
    for (const child of children) child.kill();
    await Promise.all(children.map(({ exited }) => exited));
  }
}

/** @param {("server" | "client")[]} sides */
function cpuPerConnection(...sides) {
  return (/** @type {any} */ { cpuSeconds, greeted }) =>
    (sides.reduce((sum, side) => sum + cpuSeconds[side], 0) / greeted) * 1e6;
}
