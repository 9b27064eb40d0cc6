// Server with Node's net: greets with "hello" and holds each connection until the peer closes it.
// Usage: server.mjs <port>. Prints "listening", and stops on SIGTERM.
import { createServer } from "node:net";

const server = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  // The socket must be read, or the end of the connection goes unnoticed.
  socket.resume();
  socket.write("hello");
});
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 65_535 }, () => console.log("listening"));
