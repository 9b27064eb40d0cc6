// Tests transports whose rings cannot all be locked: epoll takes over if that is allowed, and no ring is left.
import { afterEach, describe, expect, it } from "vitest";
import { ENOMEM } from "../../src/linux/syscalls/errno.js";
import { lastErrno, libc } from "../../src/linux/syscalls/libc.js";
import { SYS_IO_URING } from "../../src/linux/uring/abi.js";
import { openClientTransport, openServerTransport } from "../../src/transport/open.js";
import { parseIp } from "../../src/util/address.js";
import { listDescriptors } from "../support/kernel.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { inNamespace, UNOWNED } from "../support/packet-runs.js";
import { hasUring } from "../support/ring.js";
import { clientUnderTest, serverUnderTest, type TransportCase, target } from "../support/transport.js";

const calls = libc as { syscall: (...args: number[]) => number };
const real = calls.syscall;
afterEach(() => {
  calls.syscall = real;
});

const CASE: TransportCase = {
  openClient: (options) => openClientTransport("uring", options),
  openServer: (options) => openServerTransport("uring", options),
  needsDescriptors: false,
};
const ringsOpen = () => listDescriptors().filter((file) => file === "anon_inode:[io_uring]").length;

/** Refuses io_uring_setup() after `count` rings. */
function allowRings(count: number): void {
  let left = count;
  calls.syscall = (...args) => {
    if (args[0] !== SYS_IO_URING.setup || left-- > 0) return real(...args);
    lastErrno(ENOMEM);
    return -1;
  };
}

describe.skipIf(!hasUring)("rings for 3 connections, one each", () => {
  it("are all opened before the first connection", async () => {
    const { list } = target(3);
    const fallback = { connections: 3, isUsed: false };
    const { transport, told, turnUntil } = clientUnderTest(CASE, list, { tableSize: 1, fallback });
    // A fourth connection would need a ring.
    allowRings(0);
    for (let n = 0; n < 3; n++) transport.open();
    await turnUntil("all are open", () => told.count("opened") === 3);
    expect(fallback.isUsed).toBe(false);
  });

  it.each([0, 1, 2])("are replaced by epoll if only %d can be opened", async (count) => {
    const before = ringsOpen();
    const { list } = target(3);
    const fallback = { connections: 3, isUsed: false };
    allowRings(count);
    const { transport, told, turnUntil } = clientUnderTest(CASE, list, { tableSize: 1, fallback });
    expect([fallback.isUsed, ringsOpen()]).toEqual([true, before]);
    for (let n = 0; n < 3; n++) transport.open();
    await turnUntil("all are open", () => told.count("opened") === 3);
  });

  it("are missed with an error if the engine was requested", () => {
    const before = ringsOpen();
    allowRings(0);
    expect(() => clientUnderTest(CASE, target(1).list, { tableSize: 1 })).toThrow(`errno ${ENOMEM}`);
    expect(ringsOpen()).toBe(before);
  });
});

describe.skipIf(!hasUring || !canMakeNamespaces())("the ring of a server without kernel sockets", () => {
  const device = { routes: [], mtu: 1500, txQueueLength: 100 };
  const listener = { addresses: { first: parseIp(UNOWNED), count: 1 }, port: 7777 };
  const packet = { device, listener };

  it("is replaced by a call for each packet", () => {
    inNamespace();
    const fallback = { connections: 0, isUsed: false };
    const before = ringsOpen();
    allowRings(0);
    serverUnderTest(CASE, -1, { packet, fallback });
    expect([fallback.isUsed, ringsOpen()]).toEqual([true, before]);
  });

  it("is missed with an error if the engine was requested", () => {
    inNamespace();
    allowRings(0);
    expect(() => serverUnderTest(CASE, -1, { packet })).toThrow(`errno ${ENOMEM}`);
  });
});
