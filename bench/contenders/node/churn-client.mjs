// Churn client with Node's net. Keeps a fixed number of connections open: resets each one once it is greeted and opens
// another in its place. Prints "ready", waits for a line, prints a line of JSON when all connections are done, and
// exits. Chooses its own source ports.
// Usage: churn-client.mjs <port> <connections> <open at a time>
import { once } from "node:events";
import { connect } from "node:net";

const FIRST_PORT = 1024;
const PORTS = 64_512;

const [port, wanted, atOnce] = process.argv.slice(2).map(Number);
console.log("ready");
await once(process.stdin, "data");
const startMs = performance.now();
let begun = 0;
let tuple = 0;
let greeted = 0;
let failed = 0;
await new Promise((resolve) => {
  for (let i = 0; i < atOnce; i++) next();

  function next() {
    if (greeted + failed === wanted) resolve(undefined);
    if (begun === wanted) return;
    begun++;
    open();
  }

  function open() {
    const localAddress = `127.6.0.${1 + Math.floor(tuple / PORTS)}`;
    const localPort = FIRST_PORT + (tuple++ % PORTS);
    const socket = connect({ host: "127.0.0.1", port, localAddress, localPort });
    socket.once("data", () => {
      socket.resetAndDestroy();
      greeted++;
      next();
    });
    socket.once("error", (/** @type {NodeJS.ErrnoException} */ { code }) => {
      // The port is in use, for example by a local service. Try the next tuple.
      if (code === "EADDRINUSE") return open();
      failed++;
      next();
    });
  }
});
console.log(JSON.stringify({ greeted, failed, seconds: (performance.now() - startMs) / 1000 }));
process.stdin.destroy();
process.exitCode = greeted === wanted ? 0 : 1;
