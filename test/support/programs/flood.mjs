// A peer that sends endlessly with sendfile(2), which copies nothing and is therefore faster than any reader. As a
// `client` it connects to `ip` and `port`; as a `server` it listens there, prints `listening <port>`, accepts `accepts`
// connections and floods the first. With `reads`, a separate thread discards what comes back, also without copying.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { lastErrno, libc, NativeBuffer } from "../../../dist/linux/syscalls/libc.js";
import { SocketAddress } from "../../../dist/linux/syscalls/sockaddr.js";
import { localAddress } from "../../../dist/linux/syscalls/socket.js";
import { parseIp } from "../../../dist/util/address.js";

const [SYS_SENDFILE, SYS_MEMFD_CREATE] = process.arch === "x64" ? [40, 319] : [71, 279];
const MSG_TRUNC = 0x20;
const BYTES = 16 * 1024 * 1024;

if (isMainThread) {
  const { role, ip, port = 0, reads = false, accepts = 1 } = JSON.parse(process.argv[2]);
  const fd = role === "server" ? acceptFirst(ip, port, accepts) : connectTo(ip, port);
  if (reads) new Worker(new URL(import.meta.url), { workerData: fd });
  // Start only once the thread is running, because flooding blocks this one forever.
  setTimeout(() => flood(fd), reads ? 200 : 0);
} else {
  const buffer = new NativeBuffer(1);
  while (libc.recv(workerData, buffer.address, BYTES, MSG_TRUNC) > 0);
}

function connectTo(ip, port) {
  const fd = openSocket();
  const address = new SocketAddress(parseIp(ip), port);
  expectDone("connect", libc.connect(fd, address.address, address.length));
  console.log("connected");
  return fd;
}

function acceptFirst(ip, port, accepts) {
  const listener = openSocket();
  const address = new SocketAddress(parseIp(ip), port);
  expectDone("bind", libc.bind(listener, address.address, address.length));
  expectDone("listen", libc.listen(listener, 16));
  console.log(`listening ${localAddress(listener).port}`);
  const accepted = Array.from({ length: accepts }, () => expectDone("accept4", libc.accept4(listener, 0, 0, 0)));
  return accepted[0];
}

function flood(fd) {
  const name = NativeBuffer.from(Buffer.from("flood\0"));
  const file = expectDone("memfd_create", libc.syscall(SYS_MEMFD_CREATE, name.address, 0, 0, 0, 0, 0));
  const bytes = NativeBuffer.from(Buffer.alloc(BYTES, "y"));
  expectDone("write", libc.write(file, bytes.address, BYTES));
  const offset = new NativeBuffer(8);
  let sent = 0;
  while (sent >= 0) {
    offset.bytes.fill(0);
    sent = libc.syscall(SYS_SENDFILE, fd, file, offset.address, BYTES, 0, 0);
  }
  process.exit(0);
}

function openSocket() {
  return expectDone("socket", libc.socket(2, 1, 0));
}

function expectDone(call, result) {
  if (result < 0) throw new Error(`${call}: errno ${lastErrno()}`);
  return result;
}
