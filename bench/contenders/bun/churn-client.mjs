// @ts-nocheck: Bun's own globals are not among Node's types.
// Churn client with Bun's sockets. Keeps a fixed number of connections open: resets each one once it is greeted and
// opens another in its place. Prints "ready", waits for a line, prints a line of JSON when all connections are done,
// and exits. The kernel chooses the source ports, because Bun.connect() has no option for them.
// Usage: churn-client.mjs <port> <connections> <open at a time>
import { once } from "node:events";

const [port, wanted, atOnce] = process.argv.slice(2).map(Number);
console.log("ready");
await once(process.stdin, "data");
const startMs = performance.now();
let begun = 0;
let greeted = 0;
let failed = 0;
await new Promise((resolve) => {
  const socket = {
    data(socket) {
      socket.terminate();
      greeted++;
      next();
    },
    connectError() {
      failed++;
      next();
    },
    close() {},
  };
  for (let i = 0; i < atOnce; i++) next();

  function next() {
    if (greeted + failed === wanted) resolve(undefined);
    if (begun === wanted) return;
    begun++;
    Bun.connect({ hostname: "127.0.0.1", port, socket }).catch(() => undefined);
  }
});
console.log(JSON.stringify({ greeted, failed, seconds: (performance.now() - startMs) / 1000 }));
process.exit(greeted === wanted ? 0 : 1);
