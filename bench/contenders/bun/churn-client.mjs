// @ts-nocheck: Bun's own globals are not among Node's types.
// Bun's sockets: so many connections at once, each is reset as soon as it is greeted, and another takes its place. It prints
// "ready", waits for a line, prints a line of JSON when all have come and gone, and ends. The kernel chooses the source ports, since
// Bun.connect() cannot be told.
// Usage: churn-client.mjs <port> <connections> <at once>
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
