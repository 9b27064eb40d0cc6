// Tests the life of a connection as linked entries over loopback: the tag identifies the step that failed, and the
// steps after it report nothing.
import { describe, expect, it, onTestFinished } from "vitest";
import { readLocalPortRange } from "../../../src/linux/proc/local-ports.js";
import {
  AF_INET,
  AF_INET6,
  EPOLLIN,
  EPOLLRDHUP,
  IP_BIND_ADDRESS_NO_PORT,
  IP_LOCAL_PORT_RANGE,
  IPPROTO_IP,
} from "../../../src/linux/syscalls/constants.js";
import { EADDRINUSE, EAGAIN, ECANCELED, ECONNREFUSED, ECONNRESET, ENOENT } from "../../../src/linux/syscalls/errno.js";
import { notify, openEventfd } from "../../../src/linux/syscalls/eventfd.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { encodeSockaddr, sockaddrLength } from "../../../src/linux/syscalls/sockaddr.js";
import { closeFd, localAddress, receive, sendBytes } from "../../../src/linux/syscalls/socket.js";
import { bufferOf, CQE_FLAG, RECV, SQE_FLAG } from "../../../src/linux/uring/abi.js";
import { registerFiles } from "../../../src/linux/uring/direct-files.js";
import * as entries from "../../../src/linux/uring/entries.js";
import { ProvidedBuffers } from "../../../src/linux/uring/provided-buffers.js";
import type { Ring } from "../../../src/linux/uring/ring.js";
import { parseIp } from "../../../src/util/address.js";
import { ownAddress, ownPort } from "../../support/address.js";
import { socketsInSs } from "../../support/kernel.js";
import { acceptAll, acceptMany, listenRaw } from "../../support/raw-sockets.js";
import { completionsOf, hasUring, openRing, takeCompletions } from "../../support/ring.js";
import { until } from "../../support/until.js";

const TAG = { socket: 1, bind: 2, connect: 3, receive: 4, poll: 5, close: 6, send: 7, option: 8 };
const QUIET_LINK = SQE_FLAG.link | SQE_FLAG.skipSuccess;
const FILES = 64;
const GROUP = 3;
const one = NativeBuffer.from(new Uint8Array(Int32Array.of(1).buffer));
const hello = NativeBuffer.from(Buffer.from("hello"));

function openTestRing(): { ring: Ring; buffers: ProvidedBuffers } {
  const ring = openRing();
  expect(registerFiles(ring, FILES)).toBe(0);
  const buffers = ProvidedBuffers.register(ring, 16, 64, GROUP);
  if (typeof buffers === "number") throw new Error(`no buffers: errno ${-buffers}`);
  return { ring, buffers };
}

function writeSockaddr(ring: Ring, ip: string, port: number): number {
  const address = parseIp(ip);
  const bytes = Buffer.from(ring.sockaddrs.buffer, ring.sockaddrs.byteOffset + ring.sockaddrWord * 4, 28);
  encodeSockaddr(bytes, address, port);
  return sockaddrLength(address.family);
}

/** Pushes socket, bind, connect and receive. Only the last step, or the one that fails, posts a completion. */
function pushOpening(ring: Ring, slot: number, from: [string, number], to: [string, number]): void {
  entries.pushSocket(ring, slot, from[0].includes(":") ? AF_INET6 : AF_INET, QUIET_LINK, slot, TAG.socket);
  entries.pushBind(ring, slot, writeSockaddr(ring, ...from), QUIET_LINK, slot, TAG.bind);
  entries.pushConnect(ring, slot, writeSockaddr(ring, ...to), QUIET_LINK, slot, TAG.connect);
  entries.pushReceive(ring, slot, RECV.pollFirst, GROUP, 0, slot, TAG.receive);
}

/**
 * Opens a connection in slot 0.
 * @returns the descriptor of its other end
 */
async function connected(ring: Ring): Promise<number> {
  const ip = ownAddress();
  const port = ownPort();
  const listener = listenRaw(ip, port);
  entries.pushSocket(ring, 0, AF_INET, QUIET_LINK, 0, TAG.socket);
  entries.pushConnect(ring, 0, writeSockaddr(ring, ip, port), 0, 0, TAG.connect);
  expect(await completionsOf(ring, 1)).toMatchObject([{ tag: TAG.connect, result: 0 }]);
  const [far] = acceptMany(listener, 1);
  return far!;
}

async function readFar(far: number): Promise<number> {
  const buffer = new NativeBuffer(64);
  return until(
    "the far end to have something to read",
    () => receive(far, buffer),
    (received) => received !== -EAGAIN,
  );
}

describe.skipIf(!hasUring)("a chain", () => {
  it.each([
    ["127.0.0.1", ownAddress()],
    ["::1", "::1"],
  ])("connects from our address %s and port, and receives the greeting", async (source, ip) => {
    const { ring, buffers } = openTestRing();
    const listener = listenRaw(ip, ownPort());
    const { port } = localAddress(listener);
    const sourcePort = ownPort();
    pushOpening(ring, 9, [source, sourcePort], [ip, port]);
    expect(ring.enter(0, 0)).toBe(0);
    const [far] = await until(
      "a connection",
      () => acceptAll(listener),
      ({ length }) => length === 1,
    );
    expect(await socketsInSs(`sport = :${sourcePort} and dport = :${port}`)).toHaveLength(1);
    expect(takeCompletions(ring)).toEqual([]);
    sendBytes(far!, hello, 0, 5);
    const [greeted] = await completionsOf(ring, 1);
    expect(greeted).toMatchObject({ slot: 9, tag: TAG.receive, result: 5 });
    expect(greeted!.flags & CQE_FLAG.buffer).toBe(CQE_FLAG.buffer);
    const start = buffers.offsetOf(bufferOf(greeted!.flags));
    expect(buffers.memory.bytes.toString("utf8", start, start + 5)).toBe("hello");
  });

  it("that cannot bind reports it by its tag, once", async () => {
    const { ring } = openTestRing();
    const ip = ownAddress();
    const port = ownPort();
    listenRaw(ip, port);
    const taken = ownPort();
    listenRaw("127.0.0.1", taken);
    pushOpening(ring, 1, ["127.0.0.1", taken], [ip, port]);
    pushOpening(ring, 2, ["127.0.0.1", ownPort()], ["127.0.0.1", ownPort()]);
    const failed = await completionsOf(ring, 2);
    ring.enter(0, 0);
    failed.push(...takeCompletions(ring));
    expect(failed.sort((a, b) => a.slot - b.slot)).toEqual([
      { slot: 1, tag: TAG.bind, result: -EADDRINUSE, flags: 0 },
      { slot: 2, tag: TAG.connect, result: -ECONNREFUSED, flags: 0 },
    ]);
    // The file of a failed chain can be created again.
    entries.pushSocket(ring, 1, AF_INET, 0, 1, TAG.socket);
    expect(await completionsOf(ring, 1)).toMatchObject([{ slot: 1, tag: TAG.socket, result: 0 }]);
  });
});

describe.skipIf(!hasUring)("a connection in a ring", () => {
  it("sends, and is polled while idle", async () => {
    const { ring } = openTestRing();
    const far = await connected(ring);
    entries.pushPoll(ring, 0, EPOLLIN | EPOLLRDHUP, 0, 0, TAG.poll);
    entries.pushSend(ring, 0, hello.address, 5, 0, 0, 0, TAG.send);
    expect(await completionsOf(ring, 1)).toMatchObject([{ tag: TAG.send, result: 5 }]);
    expect(await readFar(far)).toBe(5);
    sendBytes(far, hello, 0, 5);
    expect(await completionsOf(ring, 1)).toMatchObject([{ tag: TAG.poll, result: EPOLLIN }]);
  });

  it("survives while a request is pending on its file, and ends when that is cancelled", async () => {
    const { ring } = openTestRing();
    const far = await connected(ring);
    entries.pushPoll(ring, 0, EPOLLIN | EPOLLRDHUP, 0, 0, TAG.poll);
    entries.pushClose(ring, 0, 0, 0, TAG.close);
    expect(await completionsOf(ring, 1)).toMatchObject([{ tag: TAG.close, result: 0 }]);
    expect(receive(far, new NativeBuffer(8))).toBe(-EAGAIN);
    entries.pushCancel(ring, 0, TAG.poll, SQE_FLAG.skipSuccess, 0, 0);
    expect(await completionsOf(ring, 1)).toMatchObject([{ tag: TAG.poll, result: -ECANCELED }]);
    expect(await readFar(far)).toBe(0);
    entries.pushCancel(ring, 0, TAG.poll, SQE_FLAG.skipSuccess, 0, 0);
    expect(await completionsOf(ring, 1)).toMatchObject([{ tag: 0, result: -ENOENT }]);
  });

  it("ends with RST by a connect() to AF_UNSPEC, which also ends its pending requests", async () => {
    const { ring } = openTestRing();
    const far = await connected(ring);
    entries.pushPoll(ring, 0, EPOLLIN | EPOLLRDHUP, 0, 0, TAG.poll);
    ring.enter(0, 0);
    entries.pushDisconnect(ring, 0, SQE_FLAG.skipSuccess, 0, TAG.connect);
    entries.pushClose(ring, 0, 0, 0, TAG.close);
    const seen = await completionsOf(ring, 2);
    expect(seen.map(({ tag }) => tag).sort()).toEqual([TAG.poll, TAG.close]);
    expect(seen.find(({ tag }) => tag === TAG.close)).toMatchObject({ result: 0 });
    expect(await readFar(far)).toBe(-ECONNRESET);
  });

  it("accepts socket options in its chain: a port that connect() has to choose", async () => {
    const { ring } = openTestRing();
    const [ip, source] = [ownAddress(), ownAddress()];
    const [port, only] = [ownPort(), readLocalPortRange()!.first + (ownPort() % 1000)];
    const listener = listenRaw(ip, port);
    const range = NativeBuffer.from(new Uint8Array(Uint16Array.of(only, only).buffer));
    entries.pushSocket(ring, 0, AF_INET, QUIET_LINK, 0, TAG.socket);
    entries.pushSetOption(ring, 0, IPPROTO_IP, IP_LOCAL_PORT_RANGE, range.address, 4, QUIET_LINK, 0, TAG.option);
    entries.pushSetOption(ring, 0, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, one.address, 4, QUIET_LINK, 0, TAG.option);
    entries.pushBind(ring, 0, writeSockaddr(ring, source, 0), QUIET_LINK, 0, TAG.bind);
    entries.pushConnect(ring, 0, writeSockaddr(ring, ip, port), 0, 0, TAG.connect);
    expect(await completionsOf(ring, 1)).toMatchObject([{ tag: TAG.connect, result: 0 }]);
    acceptMany(listener, 1);
    expect(await socketsInSs(`sport = :${only} and dport = :${port}`)).toHaveLength(1);
  });

  it("is polled together with descriptors", async () => {
    const { ring } = openTestRing();
    await connected(ring);
    const wakeUp = openEventfd();
    onTestFinished(() => void closeFd(wakeUp));
    entries.pushPollDescriptor(ring, wakeUp, EPOLLIN, 7, TAG.poll);
    entries.pushPoll(ring, 0, EPOLLIN, 0, 0, TAG.poll);
    ring.enter(0, 0);
    expect(ring.ready).toBe(0);
    notify(wakeUp);
    expect(await completionsOf(ring, 1)).toMatchObject([{ slot: 7, tag: TAG.poll, result: EPOLLIN }]);
  });
});
