// Tests ports bound before connect(): one pool for all destinations, distinguished from ports that connect() chose.
import { writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { readSockstat } from "../../../src/linux/proc/procfs.js";
import { SocketAddress } from "../../../src/linux/syscalls/sockaddr.js";
import { bindTo, closeFd, connectTo, openTcp } from "../../../src/linux/syscalls/socket.js";
import { mostUnconnected } from "../../../src/socket-table/ports/bound-pools.js";
import { pressure } from "../../../src/socket-table/ports/pressure.js";
import { parseIp } from "../../../src/util/address.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { acceptMany, connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { until } from "../../support/until.js";

const EINPROGRESS = 115;
const EADDRINUSE = 98;
const CAPACITY = 200;

/** Sets a range of 200 ports and listens on two others. */
function enterSmallRange(ip = "127.0.0.1"): void {
  enterNamespace();
  writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "40000 40199");
  for (const port of [1001, 1002]) listenRaw(ip, port);
}

/**
 * Calls bind(address, 0), as a program does that has a source address but does not set IP_BIND_ADDRESS_NO_PORT; then
 * connect(), if `to` is given.
 */
function boundSocket(ip: string, to?: number): number {
  const address = parseIp(ip);
  const fd = openTcp(address.family);
  onTestFinished(() => {
    closeFd(fd);
  });
  const bound = bindTo(fd, new SocketAddress(address, 0));
  if (bound < 0 || to === undefined) return bound;
  const connected = connectTo(fd, new SocketAddress(address, to));
  return connected === -EINPROGRESS ? 0 : connected;
}

describe.skipIf(!canMakeNamespaces())("ports bound before connect()", () => {
  it.each(["127.0.0.1", "::1"])("are one pool of %s, all in use when bind() fails", async (ip) => {
    enterSmallRange(ip);
    for (let i = 0; i < CAPACITY; i++) expect(boundSocket(ip, i % 2 === 0 ? 1001 : 1002)).toBe(0);
    expect(boundSocket(ip, 1001)).toBe(-EADDRINUSE);
    const { rows, bound } = await pressure();
    expect(rows.map(({ inUse }) => inUse)).toEqual([100, 100]);
    expect(bound).toMatchObject([
      { sourceIp: ip, bound: CAPACITY, inUse: CAPACITY, capacity: CAPACITY, left: 0, destinations: 2, isMarked: true },
    ]);
  });

  it("are recognized long before they run out", async () => {
    enterSmallRange();
    for (let i = 0; i < 40; i++) boundSocket("127.0.0.1", i % 2 === 0 ? 1001 : 1002);
    expect((await pressure()).bound).toMatchObject([{ bound: 40, inUse: 40, left: CAPACITY - 40, isMarked: false }]);
    // The pool is shared by all destinations, even if only one is asked for.
    expect((await pressure({ port: 1001 })).bound).toMatchObject([{ inUse: 40, destinations: 2 }]);
  });

  it("are distinguished from ports that connect() chose, even if these are all in use", async () => {
    enterSmallRange();
    for (let i = 0; i < 60; i++) for (const port of [1001, 1002]) connectRaw("127.0.0.1", port);
    expect((await pressure()).bound).toEqual([]);
    for (let i = 60; i < CAPACITY; i++) for (const port of [1001, 1002]) connectRaw("127.0.0.1", port);
    const { rows, bound } = await pressure();
    expect(rows.map(({ left }) => left)).toEqual([0, 0]);
    expect(bound).toEqual([]);
  });

  it("are distinguished from ports that one client chose by number for several destinations", async () => {
    enterSmallRange();
    for (let i = 0; i < CAPACITY; i++)
      connectRaw("127.0.0.1", i % 2 === 0 ? 1001 : 1002, { ip: "127.0.0.2", port: 41_000 + i });
    expect((await pressure()).bound).toEqual([]);
  });

  it("count even without a connection (Linux 6.8)", async ({ skip }) => {
    enterSmallRange();
    for (let i = 0; i < 30; i++) boundSocket("127.0.0.1");
    const { bound } = await pressure();
    if (bound?.length === 0 && !(await hasBoundInactive())) skip("this kernel does not list bound sockets");
    expect(bound).toMatchObject([{ sourceIp: "127.0.0.1", bound: 30, inUse: 30, destinations: 0 }]);
  });

  it("are not looked for because of sockets of other namespaces", async () => {
    const [others, own] = [500, 20];
    enterNamespace();
    for (let i = 0; i < others; i++) expect(boundSocket("127.0.0.1")).toBe(0);
    expect(mostUnconnected(readSockstat())).toBeGreaterThanOrEqual(others);
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 1001);
    // A socket with which the namespace was set up may still be closing.
    const count = () => mostUnconnected(readSockstat());
    await until("no such socket", count, (sockets) => sockets === 0);
    for (let i = 0; i < own; i++) expect(boundSocket("127.0.0.1")).toBe(0);
    // Connections in the accept queue have no descriptor, but are counted like others.
    for (let i = 0; i < 50; i++) connectRaw("127.0.0.1", 1001);
    await until("its own sockets", count, (sockets) => sockets === own);
    acceptMany(listener, 50);
    await until("its own sockets again", count, (sockets) => sockets === own);
  });
});

async function hasBoundInactive(): Promise<boolean> {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec((await import("node:os")).release()) ?? [];
  return Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 8);
}
