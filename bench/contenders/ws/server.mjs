// WebSocket server with the package ws: greets with "hello" and holds each connection until the peer closes it.
// Usage: server.mjs <port>. Prints "listening", and stops on SIGTERM.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  backlog: 65_535,
  perMessageDeflate: false,
  clientTracking: false,
});
server.on("connection", (socket) => {
  socket.on("error", () => socket.terminate());
  socket.send("hello");
});
server.once("listening", () => console.log("listening"));
