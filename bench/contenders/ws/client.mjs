// WebSocket client with the package ws. Prints "ready", waits for a line, opens the connections, waits until each has
// been greeted, prints the elapsed seconds, holds the connections until its standard input ends, and resets them.
// Usage: client.mjs <port> <connections> <ports per source address (unused)> <concurrent dials>
import { createConnection } from "node:net";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const [port, connections, , window] = process.argv.slice(2).map(Number);
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
  // Let the kernel choose source addresses and ports: one source address has enough ports here.
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, {
    perMessageDeflate: false,
    createConnection: () => {
      const socket = createConnection({ host: "127.0.0.1", port });
      sockets.push(socket);
      return socket;
    },
  });
  let isOpen = false;
  client.once("message", () => {
    isOpen = true;
    established++;
    resolve();
  });
  client.on("error", () => {
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
