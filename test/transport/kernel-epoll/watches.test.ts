// Tests transports whose user has no epoll watch left (ENOSPC): no connection is lost at a server, and a client says
// which of its connections were too many.
import { afterEach, expect, it } from "vitest";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL } from "../../../src/linux/syscalls/constants.js";
import { ENOSPC } from "../../../src/linux/syscalls/errno.js";
import { lastErrno, libc } from "../../../src/linux/syscalls/libc.js";
import { localAddress, sendBytes } from "../../../src/linux/syscalls/socket.js";
import { openClientTransport, openServerTransport } from "../../../src/transport/open.js";
import { ownAddress } from "../../support/address.js";
import { close, connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { bytesOf, clientUnderTest, serverUnderTest, type TransportCase, target } from "../../support/transport.js";

const CASE: TransportCase = {
  openClient: (options) => openClientTransport("epoll", options),
  openServer: (options) => openServerTransport("epoll", options),
  needsDescriptors: true,
};
const calls = libc as { epoll_ctl: (...args: number[]) => number };
const real = calls.epoll_ctl;
afterEach(() => {
  calls.epoll_ctl = real;
});

/** Refuses watches as the kernel does for a user with `most` of them. A closed descriptor has no watch. */
function limitWatches(most: number): { set(most: number): void } {
  const watched = new Set<number>();
  const limit = { most };
  calls.epoll_ctl = (epoll, operation, fd, event) => {
    if (operation === EPOLL_CTL_ADD && watched.size >= limit.most) {
      lastErrno(ENOSPC);
      return -1;
    }
    const result = real(epoll!, operation!, fd!, event!);
    if (result === 0 && operation === EPOLL_CTL_ADD) watched.add(fd!);
    if (result === 0 && operation === EPOLL_CTL_DEL) watched.delete(fd!);
    return result;
  };
  return {
    set: (value) => {
      limit.most = value;
    },
  };
}

it("a server keeps the connection that took the last watch, and leaves others in the accept queue", async () => {
  const ip = ownAddress();
  const listener = listenRaw(ip, 0);
  const { port } = localAddress(listener);
  // The wake-up descriptor, the listening socket and two connections.
  const limit = limitWatches(4);
  const { transport, told, turnUntil } = serverUnderTest(CASE, listener);
  const peers = Array.from({ length: 6 }, () => connectRaw(ip, port));
  await turnUntil("a watch is missing", () => told.count("acceptFailed") > 0);
  expect(told.events.filter((event) => !event.startsWith("accepted"))).toEqual([`acceptFailed ${ENOSPC} one`]);
  // The listening socket gave its watch to the third connection.
  expect(told.count("accepted")).toBe(3);
  sendBytes(peers[2]!, bytesOf("x"), 0, 1);
  await turnUntil("the third connection is watched", () => told.count("received") === 1);
  for (let n = 0; n < 100; n++) transport.turn(0);
  expect([told.count("accepted"), told.count("failed"), told.count("closed")]).toEqual([3, 0, 0]);
  limit.set(100);
  await turnUntil("the others are accepted", () => told.count("accepted") === 6);
  for (const fd of peers) close(fd);
});

it("a client opens as many connections as it may watch, and others once some have ended", async () => {
  const { list } = target(6);
  const { transport, told, turnUntil } = clientUnderTest(CASE, list, { watches: 3 });
  const slots = Array.from({ length: 4 }, () => transport.open());
  await turnUntil("all have an outcome", () => told.count("opened") + told.count("failed") === 4);
  expect(told.events.filter((event) => event.startsWith("failed"))).toEqual([`failed ${slots[3]} register ${ENOSPC}`]);
  // The failed attempt took no 4-tuple.
  expect(list.said).toHaveLength(3);
  transport.close(slots[0]!);
  transport.turn(0);
  transport.open();
  await turnUntil("another is open", () => told.count("opened") === 4);
});
