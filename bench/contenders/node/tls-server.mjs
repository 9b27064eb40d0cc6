// Server with node:tls and a self-signed P-256 certificate: greets with "hello" and holds each connection.
// Usage: tls-server.mjs <port>. Prints "listening", and stops on SIGTERM.
import { execFileSync } from "node:child_process";
import { createServer } from "node:tls";

const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
const pem = execFileSync("openssl", [...request, "-subj", "/CN=localhost", "-keyout", "-"], { stdio: "pipe" });
const server = createServer({ key: pem, cert: pem, sessionTimeout: 1 }, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.write("hello");
});
server.on("tlsClientError", () => undefined);
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 65_535 }, () => console.log("listening"));
