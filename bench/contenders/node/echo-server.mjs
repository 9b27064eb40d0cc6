// Echo server with Node's net.
// Usage: echo-server.mjs <port>. Prints "listening", and stops on SIGTERM.
import { createServer } from "node:net";

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("data", (bytes) => socket.write(bytes));
  socket.on("error", () => socket.destroy());
});
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 65_535 }, () => console.log("listening"));
