// @ts-nocheck: Bun's own globals are not among Node's types.
// Bun's sockets: greets with "hello" and holds until its peer has gone.
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
