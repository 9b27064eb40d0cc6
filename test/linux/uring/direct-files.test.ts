// Tests a ring's registered files: capacity, slots, and release.
import { describe, expect, it } from "vitest";
import { EMFILE, ENFILE } from "../../../src/linux/syscalls/errno.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { readNofileLimit } from "../../../src/linux/syscalls/rlimit.js";
import { receive } from "../../../src/linux/syscalls/socket.js";
import { CQE_FLAG } from "../../../src/linux/uring/abi.js";
import { registerFiles } from "../../../src/linux/uring/direct-files.js";
import { pushAccept } from "../../../src/linux/uring/entries.js";
import { ownAddress, ownPort } from "../../support/address.js";
import { countDescriptors } from "../../support/kernel.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { completionsOf, hasUring, openRing } from "../../support/ring.js";
import { until } from "../../support/until.js";

const ACCEPT = 1;

describe.skipIf(!hasUring)("registered files", () => {
  it("are as many as RLIMIT_NOFILE allows, per ring", () => {
    const { soft } = readNofileLimit();
    expect(registerFiles(openRing(), soft + 1)).toBe(-EMFILE);
    expect(registerFiles(openRing(), soft)).toBe(0);
    expect(registerFiles(openRing(), soft)).toBe(0);
  });

  it("are filled by accepts, need no descriptor, and end with their ring", async () => {
    const ring = openRing();
    expect(registerFiles(ring, 3)).toBe(0);
    const ip = ownAddress();
    const port = ownPort();
    const listener = listenRaw(ip, port);
    const before = countDescriptors();
    pushAccept(ring, listener, true, 0, ACCEPT);
    const fars = [1, 2, 3].map(() => connectRaw(ip, port));
    const accepted = await completionsOf(ring, 3);
    expect(accepted.map(({ result }) => result).sort()).toEqual([0, 1, 2]);
    expect(accepted.every(({ flags }) => (flags & CQE_FLAG.more) !== 0)).toBe(true);
    expect(countDescriptors()).toBe(before + 3);
    // With a full table, the kernel accepts the connection and drops it; this is why the transport keeps slots free.
    fars.push(connectRaw(ip, port));
    expect(await completionsOf(ring, 1)).toMatchObject([{ result: -ENFILE }]);

    ring.close();
    for (const far of fars) {
      const buffer = new NativeBuffer(8);
      expect(
        await until(
          "the end",
          () => receive(far, buffer),
          (received) => received <= 0 && received !== -11,
        ),
      ).toBe(0);
    }
  });
});
