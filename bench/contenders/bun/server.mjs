// @ts-nocheck: Bun's own globals are not among Node's types.
// Server with Bun's sockets: greets with "hello" and holds each connection until the peer closes it.
// Usage: server.mjs <port>. Prints "listening", and stops on SIGTERM.
Bun.listen({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  socket: {
    open(socket) {
      socket.write("hello");
    },
    data() {},
    error(socket) {
      socket.terminate();
    },
  },
});
console.log("listening");
