// Opens and closes connections on loopback until it is terminated. Options: { dist, port }, the folder of the built
// library and the port to listen on. Prints a line once it has started.
const { dist, port } = JSON.parse(process.argv[2]);
const { acceptFrom, bindTo, closeFd, connectTo, listenOn, openTcp } = await import(`${dist}/linux/syscalls/socket.js`);
const { SocketAddress } = await import(`${dist}/linux/syscalls/sockaddr.js`);

const AT_ONCE = 50;
const address = new SocketAddress({ family: 4, bytes: Uint8Array.of(127, 0, 0, 1) }, port);
const listener = openTcp(4);
if (bindTo(listener, address) < 0 || listenOn(listener, 4096) < 0) throw new Error("no listener");
console.log("started");
for (;;) {
  const fds = Array.from({ length: AT_ONCE }, () => openTcp(4));
  for (const fd of fds) connectTo(fd, address);
  for (let fd = acceptFrom(listener); fd >= 0; fd = acceptFrom(listener)) fds.push(fd);
  for (const fd of fds) closeFd(fd);
  // Let signals in.
  await new Promise((resolve) => setImmediate(resolve));
}
