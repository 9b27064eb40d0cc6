// Tests an io_uring client that cannot create another ring because RLIMIT_MEMLOCK is used up.
import { afterEach, describe, expect, it } from "vitest";
import { ENOMEM } from "../../../src/linux/syscalls/errno.js";
import { lastErrno, libc } from "../../../src/linux/syscalls/libc.js";
import { SYS_IO_URING } from "../../../src/linux/uring/abi.js";
import { UringClient } from "../../../src/transport/kernel-uring/client.js";
import { NO_ROOM } from "../../../src/transport/slot-state.js";
import { hasUring } from "../../support/ring.js";
import { clientUnderTest, type TransportCase, target } from "../../support/transport.js";

const calls = libc as { syscall: (...args: number[]) => number };
const real = calls.syscall;
afterEach(() => {
  calls.syscall = real;
});

const CASE: TransportCase = {
  openClient: (options) => {
    const transport = new UringClient(options);
    return transport.begin() || transport;
  },
  openServer: () => -ENOMEM,
  needsDescriptors: false,
};

describe.skipIf(!hasUring)("without another ring", () => {
  it("there is no room while others are being opened, then a failure, and it continues when one has ended", async () => {
    const { list } = target(4);
    const { transport, told, turnUntil } = clientUnderTest(CASE, list, { tableSize: 1 });
    calls.syscall = (...args) => {
      if (args[0] !== SYS_IO_URING.setup) return real(...args);
      lastErrno(ENOMEM);
      return -1;
    };
    const first = transport.open();
    expect([first, transport.open()]).toEqual([0, NO_ROOM]);
    await turnUntil("it is open", () => told.count("opened") === 1);
    expect(transport.open()).toBe(NO_ROOM);
    transport.rest(first);
    const failing = transport.open();
    await turnUntil("one to fail", () => told.count("failed") === 1);
    expect(told.events).toEqual([`opened ${first}`, `failed ${failing} socket ${ENOMEM}`]);
    transport.close(first);
    await turnUntil("another to be open", () => {
      if (transport.state(0) === 0) transport.open();
      return told.count("opened") === 2;
    });
    // Tuples that found no slot were not taken from the plan.
    expect(list.said.map((line) => line.split(" ")[1])).toEqual(expect.arrayContaining(["0", "1"]));
  });

  it("a transport cannot start", () => {
    calls.syscall = (...args) => {
      if (args[0] !== SYS_IO_URING.setup) return real(...args);
      lastErrno(ENOMEM);
      return -1;
    };
    expect(() => clientUnderTest(CASE, target(1).list)).toThrow(`errno ${ENOMEM}`);
  });
});
