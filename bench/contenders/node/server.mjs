// Node's net: greets with "hello" and holds until its peer has gone.
// Usage: server.mjs <port>. Prints "listening", and stops on SIGTERM.
import { createServer } from "node:net";

const server = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  // Reading, so that the peer's end is seen.
  socket.resume();
  socket.write("hello");
});
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 65_535 }, () => console.log("listening"));
