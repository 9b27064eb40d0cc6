// Independent server with Node's `net` in its own process. Prints `listening <port>` for each port, `peer <address>
// <port>` for each connection if `logPeers` is set, and `ready`. Closes each connection after `idleMs`, or every
// `closeEvery`th connection on arrival. SIGUSR2 closes every connection with FIN. SIGTERM makes the process exit.
import net from "node:net";

const {
  host,
  ports = [0],
  greeting = "",
  echo = false,
  logPeers = false,
  idleMs,
  closeEvery,
} = JSON.parse(process.argv[2]);
const sockets = new Set();

let taken = 0;

function take(socket) {
  if (idleMs !== undefined) setTimeout(() => socket.end(), idleMs);
  if (++taken % closeEvery === 0) socket.end();
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  socket.on("error", () => {});
  if (logPeers) console.log(`peer ${socket.remoteAddress} ${socket.remotePort}`);
  if (greeting) socket.write(greeting);
  if (echo) socket.pipe(socket);
  else socket.resume();
}

for (const port of ports) {
  const server = net.createServer(take);
  await new Promise((resolve, reject) => server.once("error", reject).listen({ host, port, backlog: 4096 }, resolve));
  console.log(`listening ${server.address().port}`);
}
process.on("SIGUSR2", () => {
  for (const socket of sockets) socket.destroySoon();
});
process.on("SIGTERM", () => process.exit(0));
console.log("ready");
