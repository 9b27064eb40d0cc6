// Node's net as a client with a source address. It prints "ready", waits for a line, opens the connections, waits until
// each has been greeted, prints the seconds that took, holds them until its standard input ends, and resets them.
// libuv binds the source address with port 0, so the kernel looks for a port that is free towards everybody, in a
// quarter of the range at a time: past some 7,000 of an address that search is most of the work.
// What is not done --within so many seconds is left, and the line says how far it came.
// Usage: client.mjs [--per-source N] [--within N] <port> <connections> <ports per source address (not used)> <dialling at once>
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
