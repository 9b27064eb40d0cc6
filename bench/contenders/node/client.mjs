// Client with Node's net and explicit source addresses. Prints "ready", waits for a line, opens the connections, waits
// until each has been greeted, prints the elapsed seconds, holds the connections until its standard input ends, and
// resets them. libuv binds the source address with port 0, so the kernel looks for a port that is free for all
// destinations, a quarter of the range at a time; beyond about 7,000 per address, that search dominates. With --within,
// it stops after that many seconds and reports how far it got. Usage: client.mjs [--per-source N] [--within N] <port>
// <connections> <ports per source address (unused)> <concurrent dials>
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { "per-source": { type: "string" }, within: { type: "string" } },
  allowPositionals: true,
});
const [port, connections, , window] = positionals.map(Number);
const perSource = Number(values["per-source"] ?? connections);
const sockets = new Set();
let begun = 0;
let established = 0;
let failed = 0;
let startMs = 0;
let hasTold = false;

const lines = createInterface(process.stdin);
console.log("ready");
lines.once("line", () => {
  startMs = performance.now();
  if (values.within) setTimeout(tell, Number(values.within) * 1000, { isUnfinished: true }).unref();
  for (let i = 0; i < Math.min(window, connections); i++) dial();
});
lines.once("close", () => {
  hasTold = true;
  for (const socket of sockets) socket.resetAndDestroy();
});

function dial() {
  const localAddress = `127.0.0.${1 + Math.floor(begun++ / perSource)}`;
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  socket.once("data", () => {
    sockets.add(socket);
    established++;
    resolve();
  });
  socket.once("error", () => {
    if (sockets.delete(socket)) return;
    failed++;
    resolve();
  });
}

function resolve() {
  if (begun < connections && !hasTold) dial();
  else if (established + failed === connections) tell();
}

function tell(more = {}) {
  if (hasTold) return;
  hasTold = true;
  console.log(JSON.stringify({ established, failed, seconds: (performance.now() - startMs) / 1000, ...more }));
}
