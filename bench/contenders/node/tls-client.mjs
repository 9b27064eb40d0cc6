// Client with node:tls. Prints "ready", waits for a line, opens the connections, waits until each has been greeted,
// prints the elapsed seconds, holds the connections until its standard input ends, and resets them.
// Usage: tls-client.mjs <port> <connections> <ports per source address (unused)> <concurrent dials>
import { connect as connectTcp } from "node:net";
import { createInterface } from "node:readline";
import { connect, createSecureContext } from "node:tls";

const [port, connections, , window] = process.argv.slice(2).map(Number);
const secureContext = createSecureContext();
/** @type {import("node:net").Socket[]} */
const sockets = [];
let [begun, established, failed, startMs] = [0, 0, 0, 0];

const lines = createInterface(process.stdin);
console.log("ready");
lines.once("line", () => {
  startMs = performance.now();
  for (let i = 0; i < Math.min(window, connections); i++) dial();
});
lines.once("close", () => {
  for (const socket of sockets) socket.resetAndDestroy();
});

function dial() {
  begun++;
  // A TLSSocket cannot be reset, but its TCP socket can.
  const below = connectTcp({ host: "127.0.0.1", port, noDelay: true });
  const socket = connect({ socket: below, secureContext, rejectUnauthorized: false });
  let isOpen = false;
  sockets.push(below);
  socket.once("data", () => {
    isOpen = true;
    established++;
    resolve();
  });
  socket.on("error", () => {
    if (isOpen) return;
    failed++;
    resolve();
  });
}

function resolve() {
  if (begun < connections) dial();
  else if (established + failed === connections)
    console.log(JSON.stringify({ established, failed, seconds: (performance.now() - startMs) / 1000 }));
}
