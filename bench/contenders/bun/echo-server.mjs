// @ts-nocheck: Bun's own globals are not among Node's types.
// Echo server with Bun's sockets.
// Usage: echo-server.mjs <port>. Prints "listening", and stops on SIGTERM.
Bun.listen({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  socket: {
    data(socket, bytes) {
      socket.write(bytes);
    },
    error(socket) {
      socket.terminate();
    },
  },
});
console.log("listening");
