// Publishes with MQTT.js as fast as the broker reads, with quality of service 0. Prints "ready", waits for a line,
// connects, publishes for the given time, prints a line of JSON at its beginning and its end, and exits when its input
// ends.
// Usage: publish-client.mjs <port> <connections> <bytes per message> <ms>
import { createInterface } from "node:readline";

// Installed in bench/build rather than as a dependency.
const { default: mqtt } = await import(new URL("../../build/node_modules/mqtt/build/index.js", import.meta.url).href);

const WARM_UP_MS = 1000;
const AT_ONCE = 1000;
const DIALS = 64;

const [port, connections, size, measuredMs] = process.argv.slice(2).map(Number);
const payload = Buffer.alloc(size);
/** @type {any[]} */
const clients = [];
let [begun, at, sent] = [0, 0, 0];
const lines = createInterface(process.stdin);
console.log("ready");
lines.once("line", () => {
  for (let n = 0; n < Math.min(DIALS, connections); n++) dial();
});
lines.once("close", () => {
  // Reset the connection, to leave no TIME_WAIT.
  for (const { stream } of clients) stream.resetAndDestroy();
  setImmediate(() => process.exit(0));
});

function dial() {
  if (begun >= connections) return;
  const clientId = `c${++begun}`;
  const options = { clientId, protocolVersion: 4, reconnectPeriod: 0, keepalive: 60 };
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, options);
  client.on("error", () => undefined);
  client.once("connect", () => {
    clients.push(client);
    if (clients.length === connections) measure();
    else dial();
  });
}

function measure() {
  publish();
  setTimeout(() => {
    const [before, cpu] = [sent, process.cpuUsage()];
    console.log("{}");
    setTimeout(() => {
      const { user, system } = process.cpuUsage(cpu);
      console.log(JSON.stringify({ sent: sent - before, cpuSeconds: (user + system) / 1e6 }));
    }, measuredMs);
  }, WARM_UP_MS);
}

/**
 * Publishes a message over each of the next connections that accept one. The client library combines a connection's
 * messages into one write.
 */
function publish() {
  for (let n = 0; n < AT_ONCE; n++) {
    if (!clients[at].stream.writableNeedDrain) {
      clients[at].publish(`load/${at}`, payload, { qos: 0 });
      sent++;
    }
    at = at + 1 === connections ? 0 : at + 1;
  }
  setImmediate(publish);
}
