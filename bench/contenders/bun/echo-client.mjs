// @ts-nocheck: Bun's own globals are not among Node's types.
// Client of the message workload with Bun's sockets; see echo-schedule.mjs. The kernel chooses the source ports,
// because Bun.connect() has no option for them. Resets its connections when its input ends.
// Usage: echo-client.mjs <port> <connections> <bytes per message>
import { EchoSchedule } from "../echo-schedule.mjs";

const AT_ONCE = 512;

const [port, wanted, size] = process.argv.slice(2).map(Number);
const message = Buffer.alloc(size, "m");
const sockets = [];
const schedule = new EchoSchedule(wanted, size, (connection) => sockets[connection].write(message));
const handlers = {
  data(socket, bytes) {
    schedule.receive(socket.data, bytes.length);
  },
  close() {},
};

let begun = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (begun < wanted) {
      const data = begun++;
      sockets[data] = await Bun.connect({ hostname: "127.0.0.1", port, data, socket: handlers });
    }
  }),
);
await schedule.follow();
for (const socket of sockets) socket.terminate();
