// A foreign server, Node's `net`, in a process of its own. Prints `listening <port>`, and a line for each thing told:
// {"peers": […]} as they come when asked. A line on standard input of its parent is not needed: signals drive it.
// Closes each connection when it is `idleMs` old, or every `closeEvery`th as it comes.
//   SIGUSR2: closes every connection with FIN.  SIGTERM: ends.
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
