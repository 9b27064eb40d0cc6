// Client with Bun's sockets. Bun.connect() has no source address, so the kernel chooses address and port. Prints
// "ready", waits for a line, opens the connections, waits until each has been greeted, prints the elapsed seconds,
// holds the connections until its standard input ends, and resets them.
// Usage: bun client.mjs <port> <connections> <ports per source address (unused)> <concurrent dials>
import { createInterface } from "node:readline";

const [port, connections, , window] = process.argv.slice(2).map(Number);
/** @typedef {{ terminate(): void }} Socket */
/** @type {{ connect(options: object): Promise<unknown> }} */
const bun = /** @type {any} */ (globalThis).Bun;
/** @type {Set<Socket>} */
const greeted = new Set();
let begun = 0;
let failed = 0;
let startMs = 0;

// All connections share one set of handlers, as Bun's manual recommends.
const handlers = {
  /** @param {Socket} socket */
  data(socket) {
    if (greeted.has(socket)) return;
    greeted.add(socket);
    resolve();
  },
  /** @param {Socket} socket */
  close(socket) {
    if (greeted.delete(socket)) return;
    failed++;
    resolve();
  },
  error() {},
  connectError() {
    failed++;
    resolve();
  },
};

const lines = createInterface({ input: process.stdin });
console.log("ready");
lines.once("line", () => {
  startMs = performance.now();
  for (let i = 0; i < Math.min(window, connections); i++) dial();
});
lines.once("close", () => {
  for (const socket of greeted) socket.terminate();
  process.exit(0);
});

function dial() {
  begun++;
  // connectError has already handled the failure.
  bun.connect({ hostname: "127.0.0.1", port, socket: handlers }).catch(() => {});
}

function resolve() {
  if (begun < connections) dial();
  else if (greeted.size + failed === connections)
    console.log(JSON.stringify({ established: greeted.size, failed, seconds: (performance.now() - startMs) / 1000 }));
}
