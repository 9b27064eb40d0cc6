// Tests provided buffers: consumed when bytes arrive, exhausted, and returned.
import { describe, expect, it } from "vitest";
import { AF_INET } from "../../../src/linux/syscalls/constants.js";
import { EINVAL, ENOBUFS, ENOMEM } from "../../../src/linux/syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { encodeSockaddr } from "../../../src/linux/syscalls/sockaddr.js";
import { sendBytes } from "../../../src/linux/syscalls/socket.js";
import { bufferOf, CQE_FLAG, RECV, SQE_FLAG } from "../../../src/linux/uring/abi.js";
import { registerFiles } from "../../../src/linux/uring/direct-files.js";
import { pushConnect, pushReceive, pushSocket } from "../../../src/linux/uring/entries.js";
import { ProvidedBuffers } from "../../../src/linux/uring/provided-buffers.js";
import { parseIp } from "../../../src/util/address.js";
import { ownAddress, ownPort } from "../../support/address.js";
import { acceptMany, listenRaw } from "../../support/raw-sockets.js";
import { type Completion, completionsOf, hasUring, openRing } from "../../support/ring.js";
import { until } from "../../support/until.js";

const RECEIVE = 4;

describe.skipIf(!hasUring)("provided buffers", () => {
  it("end a multishot request with ENOBUFS when exhausted; once returned, they are filled again, and no byte is lost", async () => {
    const ring = openRing();
    registerFiles(ring, 4);
    const buffers = ProvidedBuffers.register(ring, 2, 16, 1);
    if (typeof buffers === "number") throw new Error(`errno ${-buffers}`);
    const ip = ownAddress();
    const port = ownPort();
    const listener = listenRaw(ip, port);
    pushSocket(ring, 0, AF_INET, SQE_FLAG.link | SQE_FLAG.skipSuccess, 0, 0);
    encodeSockaddr(
      Buffer.from(ring.sockaddrs.buffer, ring.sockaddrs.byteOffset + ring.sockaddrWord * 4),
      parseIp(ip),
      port,
    );
    pushConnect(ring, 0, 16, 0, 0, 0);
    await completionsOf(ring, 1);
    const [far] = acceptMany(listener, 1);

    const sent = Buffer.from(Array.from({ length: 100 }, (_, n) => n));
    expect(sendBytes(far!, NativeBuffer.from(sent), 0, 100)).toBe(100);
    let got = Buffer.alloc(0);
    let shortages = 0;
    const take = ({ result, flags }: Completion): void => {
      if (result === -ENOBUFS) shortages++;
      else expect(result).toBeGreaterThan(0);
      if ((flags & CQE_FLAG.buffer) === 0) return;
      const start = buffers.offsetOf(bufferOf(flags));
      got = Buffer.concat([got, buffers.memory.bytes.subarray(start, start + result)]);
      buffers.giveBack(bufferOf(flags));
    };
    await until(
      "all bytes",
      async () => {
        pushReceive(ring, 0, RECV.multishot, 1, 0, 0, RECEIVE);
        // The kernel does not see returned buffers before they are published: two buffers fill, and the third is
        // missing.
        for (const completion of await completionsOf(ring, got.length < 96 ? 3 : 1)) take(completion);
        buffers.publish();
        return got.length;
      },
      (length) => length === 100,
    );
    expect(shortages).toBe(3);
    expect(got).toEqual(sent);
  });

  it("are numbered from 0, and are gone once released", () => {
    const ring = openRing();
    const buffers = ProvidedBuffers.register(ring, 4, 32, 0) as ProvidedBuffers;
    expect([buffers.offsetOf(0), buffers.offsetOf(3)]).toEqual([0, 96]);
    expect(buffers.memory.bytes).toHaveLength(128);
    ring.close();
    buffers.release();
    buffers.giveBack(0);
    buffers.publish();
    expect(buffers.memory.bytes).toHaveLength(0);
  });

  it("fail if their number is not a power of two, or memory is short", () => {
    const ring = openRing();
    expect(ProvidedBuffers.register(ring, 3, 16, 0)).toBe(-EINVAL);
    const calls = libc as { mmap: (...args: number[]) => number };
    const real = calls.mmap;
    calls.mmap = () => {
      lastErrno(ENOMEM);
      return 2 ** 64;
    };
    expect(ProvidedBuffers.register(ring, 4, 16, 0)).toBe(-ENOMEM);
    calls.mmap = real;
  });
});
