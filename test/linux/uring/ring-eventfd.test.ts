// Tests that a ring signals its work through an eventfd, which polling its descriptor does not.
import { describe, expect, it, onTestFinished } from "vitest";
import { EPOLLIN } from "../../../src/linux/syscalls/constants.js";
import { EBADF } from "../../../src/linux/syscalls/errno.js";
import { drain, openEventfd } from "../../../src/linux/syscalls/eventfd.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { closeFd, localAddress, receive } from "../../../src/linux/syscalls/socket.js";
import { pushPollDescriptor } from "../../../src/linux/uring/entries.js";
import { registerEventfd, unregisterEventfd } from "../../../src/linux/uring/ring-eventfd.js";
import { ownAddress } from "../../support/address.js";
import { acceptMany, connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { hasUring, openRing } from "../../support/ring.js";
import { sendRaw } from "../../support/transport.js";

function eventfd(): number {
  const fd = openEventfd();
  onTestFinished(() => {
    closeFd(fd);
  });
  return fd;
}

/** A ring that polls a socket. */
function pollingRing() {
  const ring = openRing();
  const ip = ownAddress();
  const listener = listenRaw(ip, 0);
  const peer = connectRaw(ip, localAddress(listener).port);
  const socket = acceptMany(listener, 1)[0]!;
  const poll = () => {
    pushPollDescriptor(ring, socket, EPOLLIN, 1, 1);
    ring.enter(0, 0);
  };
  poll();
  const handle = () => {
    receive(socket, new NativeBuffer(8));
    ring.enter(0, 0);
    expect(ring.ready).toBe(1);
    ring.advance(1);
    poll();
  };
  return { ring, handle, speak: () => sendRaw(peer, "hello") };
}

/** Whether `fd` is readable, as seen by another ring. */
function isReadable(fd: number): boolean {
  const ring = openRing();
  pushPollDescriptor(ring, fd, EPOLLIN, 0, 0);
  ring.enter(0, 0);
  return ring.ready === 1;
}

describe.skipIf(!hasUring)("a ring with an eventfd", () => {
  it("signals its work until unregistered, even if others share the eventfd", () => {
    const signal = eventfd();
    const units = [pollingRing(), pollingRing()] as const;
    for (const { ring } of units) expect(registerEventfd(ring, signal)).toBe(0);
    for (const { ring, speak, handle } of units) {
      expect(isReadable(signal)).toBe(false);
      speak();
      expect([isReadable(signal), ring.hasWork]).toEqual([true, true]);
      handle();
      expect(ring.hasWork).toBe(false);
      drain(signal);
    }
    unregisterEventfd(units[0].ring);
    units[0].speak();
    expect([isReadable(signal), units[0].ring.hasWork]).toEqual([false, true]);
    units[1].speak();
    expect(isReadable(signal)).toBe(true);
  });

  it("wakes a thread that waits in another ring", () => {
    const signal = eventfd();
    const { ring, speak } = pollingRing();
    const waiting = openRing();
    expect(registerEventfd(ring, signal)).toBe(0);
    pushPollDescriptor(waiting, signal, EPOLLIN, 5, 0);
    waiting.enter(0, 0);
    speak();
    expect(waiting.enter(1, 20_000)).toBe(0);
    expect(waiting.slotAt(0)).toBe(5);
  });

  it("rejects a closed descriptor", () => {
    expect(registerEventfd(openRing(), 0x7fffffff)).toBe(-EBADF);
    // Without a signal there is nothing to end.
    unregisterEventfd(openRing());
  });
});
