// Tests failures of every system call: the wrappers turn them into a negative errno or an AppError, never into a crash
// or a wrong value.
import { afterEach, describe, expect, it } from "vitest";
import { borrowDescriptor } from "../../src/linux/syscalls/borrowed-descriptors.js";
import { Epoll } from "../../src/linux/syscalls/epoll.js";
import { EMFILE } from "../../src/linux/syscalls/errno.js";
import { openEventfd } from "../../src/linux/syscalls/eventfd.js";
import { lastErrno, libc, NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { raiseNofileLimit, readNofileLimit } from "../../src/linux/syscalls/rlimit.js";
import { SocketAddress } from "../../src/linux/syscalls/sockaddr.js";
import * as socket from "../../src/linux/syscalls/socket.js";
import { unshareDescriptors } from "../../src/linux/syscalls/unshare.js";
import { canRegisterFiles, RegisteredFiles } from "../../src/linux/uring/registered-files.js";
import { parseIp } from "../../src/util/address.js";
import { AppError } from "../../src/util/errors.js";

const calls = libc as Record<keyof typeof libc, (...args: number[]) => number>;
const real = { ...calls };
const MAP_FAILED = 2 ** 64;

/** Makes calls with this name fail, from the `nth` on. */
function fail(name: keyof typeof libc, nth = 1): void {
  let made = 0;
  calls[name] = (...args) => {
    made++;
    if (made < nth) return real[name](...args);
    lastErrno(EMFILE);
    return name === "mmap" ? MAP_FAILED : -1;
  };
}

afterEach(() => {
  Object.assign(calls, real);
});

describe("a call that fails", () => {
  const address = new SocketAddress(parseIp("127.0.0.1"), 0);
  const buffer = new NativeBuffer(8);
  const NEGATIVE: [keyof typeof libc, string, () => unknown][] = [
    ["socket", "openTcp", () => socket.openTcp(4)],
    ["socket", "openUdp", () => socket.openUdp(6)],
    ["setsockopt", "allowAddressReuse", () => socket.allowAddressReuse(0)],
    ["setsockopt", "delayPortChoice", () => socket.delayPortChoice(0)],
    ["setsockopt", "allowOnlyPort", () => socket.allowOnlyPort(0, 1)],
    ["setsockopt", "resetOnClose", () => socket.resetOnClose(0)],
    ["bind", "bindTo", () => socket.bindTo(0, address)],
    ["connect", "connectTo", () => socket.connectTo(0, address)],
    ["listen", "listenOn", () => socket.listenOn(0, 1)],
    ["accept4", "acceptFrom", () => socket.acceptFrom(0)],
    ["accept4", "acceptWithPeer", () => socket.acceptWithPeer(0)],
    ["recv", "receive", () => socket.receive(0, buffer)],
    ["send", "sendBytes", () => socket.sendBytes(0, buffer, 0, 1)],
    ["epoll_create1", "Epoll", () => new Epoll(1).fd],
    ["unshare", "unshareDescriptors", () => unshareDescriptors()],
    ["syscall", "borrowDescriptor", () => borrowDescriptor(0)],
    ["syscall", "FileTable.open", () => RegisteredFiles.open(4)],
  ];

  it.each(NEGATIVE)("%s: %s returns the negative errno", (name, _, run) => {
    fail(name);
    expect(run()).toBe(-EMFILE);
  });

  it("getsockopt: the errno itself is the socket's error", () => {
    fail("getsockopt");
    expect(socket.takeSocketError(0)).toBe(EMFILE);
  });

  it.each([
    ["getsockname", () => socket.localAddress(0)],
    ["eventfd", () => openEventfd()],
  ] as const)("%s: throws an AppError that names the call", (name, run) => {
    fail(name);
    expect(run).toThrow(AppError);
    expect(run).toThrow(/EMFILE/);
  });

  it("epoll_wait: an AppError ends the loop, but a signal does not", () => {
    const epoll = new Epoll(1);
    calls.epoll_wait = () => {
      lastErrno(4);
      return -1;
    };
    expect(epoll.wait(0)).toBe(0);
    fail("epoll_wait");
    expect(() => epoll.wait(0)).toThrow(/epoll_wait failed: EMFILE/);
    Object.assign(calls, real);
    epoll.close();
  });

  it("getrlimit: the limit is unknown, and setrlimit is not called with uninitialized memory", () => {
    fail("getrlimit");
    fail("setrlimit");
    expect(readNofileLimit()).toEqual({ soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY });
    expect(raiseNofileLimit()).toEqual({ soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY });
  });

  it("setrlimit: the limit stays unchanged", () => {
    const before = readNofileLimit();
    fail("setrlimit");
    expect(raiseNofileLimit()).toEqual(before);
  });
});

describe.skipIf(!canRegisterFiles())("a ring that can only be set up in part", () => {
  it.each([
    ["mmap", 1],
    ["mmap", 2],
    ["syscall", 2],
  ] as const)(
    "%s fails at its call %d: nothing is left behind, and nothing is written to unmapped memory",
    (name, nth) => {
      const before = socket.openUdp(4);
      socket.closeFd(before);
      fail(name, nth);
      expect(RegisteredFiles.open(4)).toBe(-EMFILE);
      Object.assign(calls, real);
      const after = socket.openUdp(4);
      socket.closeFd(after);
      expect(after).toBe(before);
    },
  );
});
