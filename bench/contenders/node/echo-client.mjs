// Client of the message workload with Node's net; see echo-schedule.mjs. Resets its connections when its input ends.
// Usage: echo-client.mjs <port> <connections> <bytes per message>
import { connect } from "node:net";
import { EchoSchedule } from "../echo-schedule.mjs";

const FIRST_PORT = 1024;
const LAST_PORT = 65_535;
const AT_ONCE = 512;

const [port, wanted, size] = process.argv.slice(2).map(Number);
const message = Buffer.alloc(size, "m");
/** @type {import("node:net").Socket[]} */
const sockets = [];
const schedule = new EchoSchedule(wanted, size, (connection) => sockets[connection].write(message));

let localPort = FIRST_PORT;
let begun = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (begun < wanted) {
      begun++;
      let socket;
      while (!socket) socket = await open(localPort++);
      const connection = sockets.push(socket) - 1;
      socket.on("data", (bytes) => schedule.receive(connection, bytes.length));
    }
  }),
);
await schedule.follow();
for (const socket of sockets) socket.resetAndDestroy();

/**
 * @param {number} from the source port
 * @returns {Promise<import("node:net").Socket | undefined>} undefined if the port is in use
 */
function open(from) {
  if (from > LAST_PORT) throw new Error("no source port is left");
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress: "127.5.0.1", localPort: from, noDelay: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}
