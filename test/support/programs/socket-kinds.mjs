// Creates a socket of every kind in its network namespace and prints the socket table as JSON, as read from all of
// fourtuple's sources and by ss. Options: { dist, hasBpf }, the folder of the built library and whether BPF may be
// used.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const { dist, hasBpf } = JSON.parse(process.argv[2]);
const { forEachSocket } = await import(`${dist}/socket-table/table.js`);
const { libc } = await import(`${dist}/linux/syscalls/libc.js`);
const { connectTo, openTcp, sendBytes } = await import(`${dist}/linux/syscalls/socket.js`);
const { SocketAddress } = await import(`${dist}/linux/syscalls/sockaddr.js`);
const { NativeBuffer } = await import(`${dist}/linux/syscalls/libc.js`);

const IPPROTO_TCP = 6;
const TCP_DEFER_ACCEPT = 9;
const V4 = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1) };
const V6 = { family: 6, bytes: new Uint8Array(16).fill(1, 15) };

function listenRaw(ip, port, backlog) {
  const fd = openTcp(ip.family);
  const address = new SocketAddress(ip, port);
  if (libc.bind(fd, address.address, address.length) < 0 || libc.listen(fd, backlog) < 0)
    throw new Error("no listener");
  return fd;
}

function connectRaw(ip, port, times) {
  const address = new SocketAddress(ip, port);
  const fds = Array.from({ length: times }, () => openTcp(ip.family));
  for (const fd of fds) connectTo(fd, address);
  return fds;
}

/**
 * Reads the table until the condition holds, because Node and the kernel must have finished before tables are
 * compared.
 */
async function until(what, read, isSo) {
  const endMs = performance.now() + 25_000;
  for (;;) {
    const seen = read();
    if (isSo(seen)) return;
    if (performance.now() > endMs) throw new Error(`not in time: ${what}; last seen: ${JSON.stringify(seen)}`);
    await delay(10);
  }
}

function runSs(...args) {
  // ss prints an irrelevant message about cgroups to standard error.
  return execFileSync("ss", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

/** Without `onSocket`, the server reads nothing. */
const listen = (port, host, onSocket) =>
  new Promise((resolve) => {
    const options = { allowHalfOpen: true, pauseOnConnect: onSocket === undefined };
    const server = createServer(options, onSocket).listen({ port, host }, () => resolve(server));
  });
const open = (port, host) =>
  new Promise((resolve) => {
    const socket = connect({ port, host, allowHalfOpen: true }, () => resolve(socket.on("error", () => undefined)));
  });

// ESTABLISHED over IPv4, IPv6 and IPv4-mapped addresses, with unread data.
await listen(1001, "127.0.0.1");
await listen(1002, "::1");
await listen(1003, "::");
for (const [port, host] of [
  [1001, "127.0.0.1"],
  [1002, "::1"],
  [1003, "127.0.0.1"],
  [1003, "::1"],
])
  (await open(port, host)).write("unread");
// CLOSE_WAIT and FIN_WAIT2: the client has closed its side, the server has not.
await listen(1004, "127.0.0.1", (socket) => socket.resume());
await listen(1005, "::", (socket) => socket.resume());
(await open(1004, "127.0.0.1")).end();
(await open(1005, "127.0.0.1")).end();
(await open(1005, "::1")).end();
// TIME_WAIT: the client closed first.
await listen(1006, "::", (socket) => socket.resume().on("end", () => socket.end()));
for (const host of ["127.0.0.1", "::1"]) (await open(1006, host)).resume().end();
// A full accept queue, then SYN_SENT.
listenRaw(V4, 1007, 1);
connectRaw(V4, 1007, 4);
listenRaw(V6, 1007, 1);
connectRaw(V6, 1007, 4);
// SYN_RECV: the listener defers accepting until data arrives.
const one = NativeBuffer.from(new Uint8Array(Int32Array.of(30).buffer));
for (const [ip, port] of [
  [V4, 1008],
  [V6, 1008],
])
  libc.setsockopt(listenRaw(ip, port, 16), IPPROTO_TCP, TCP_DEFER_ACCEPT, one.address, 4);
connectRaw(V4, 1008, 2);
connectRaw(V6, 1008, 1);
// SYN_RECV caused by a full accept queue. The request of the first client waits for data. Data of the second client
// fills the queue, so that there is no room for the first when its data arrives; its request remains, as if the last
// ACK had been lost.
const readOverflows = () => {
  const [names, values] = readFileSync("/proc/net/netstat", "utf8")
    .split("\n")
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("ListenOverflows")]);
};
for (const ip of [V4, V6]) {
  const listener = listenRaw(ip, 1009, 0);
  libc.setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, one.address, 4);
  const [first, second] = connectRaw(ip, 1009, 2);
  const overflows = readOverflows();
  // Send the data in this order, each client's after its handshake is complete.
  for (const fd of [second, first])
    await until(
      "the byte is sent",
      () => sendBytes(fd, one, 0, 1),
      (sent) => sent === 1,
    );
  await until("an overflow", readOverflows, (now) => now > overflows);
}

const countStates = () => {
  const counts = {};
  for (const line of runSs("-Htan").trim().split("\n")) {
    const [state, unread] = line.split(/\s+/);
    const name = state === "ESTAB" && unread === "6" ? "unread" : state;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
};
await until("sockets of every kind", countStates, (counts) =>
  Object.entries({ "CLOSE-WAIT": 3, "FIN-WAIT-2": 3, "TIME-WAIT": 2, "SYN-SENT": 4, "SYN-RECV": 5, unread: 4 }).every(
    ([state, count]) => counts[state] === count,
  ),
);

async function read(query) {
  const rows = [];
  const result = await forEachSocket(query, (socket) => {
    const { family, stateName, localIp, localPort, remoteIp, remotePort, inode, uid, receiveQueue, sendQueue } = socket;
    const limit = stateName === "LISTEN" ? "" : sendQueue;
    const state = `${family} ${stateName}`;
    const queues = `${receiveQueue} ${limit}`;
    rows.push(`${state} ${localIp} ${localPort} ${remoteIp} ${remotePort} ${queues} ${inode} ${uid}`);
  });
  return { ...result, rows: rows.sort() };
}

const mask = (port) => ({ ports: [{ first: port, last: port }] });
const range = { ports: [{ first: 1004, last: 1006 }] };
const loopback = { addresses: [{ first: V4, count: 1 }] };
const queries = [
  {},
  { family: 4 },
  { family: 6 },
  { states: 1 << 1 },
  { local: mask(1003) },
  { remote: mask(1003) },
  { either: mask(1003) },
  { either: range },
  { local: { ...loopback, ...range } },
  { local: loopback, wildcardListeners: true },
  { remote: { addresses: [{ first: V6, count: 1 }] } },
  { either: { ...loopback, ...mask(1001) }, states: (1 << 1) | (1 << 10) },
];
const results = [];
for (const query of queries) {
  const [diag, proc] = [
    await read({ ...query, source: "sock_diag" }),
    await read({ ...query, source: "/proc/net/tcp" }),
  ];
  const bpf = hasBpf ? await read({ ...query, tuplesOnly: true, source: "bpf" }) : undefined;
  results.push({ query: JSON.stringify(query), diag, proc, bpf });
}
const ss = runSs("-Htane");
console.log(JSON.stringify({ results, ss }));
process.exit();
