// Tests a ring against the kernel: entries and completions, full queues, waits, and the resources left after it is
// closed.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { EBADF, EINTR, EINVAL, ENOMEM, ENOSYS } from "../../../src/linux/syscalls/errno.js";
import { lastErrno, libc, nativeView } from "../../../src/linux/syscalls/libc.js";
import { FEATURE, OP, PARAMS, SETUP, SQ_TASKRUN, SYS_IO_URING } from "../../../src/linux/uring/abi.js";
import { Ring } from "../../../src/linux/uring/ring.js";
import { listDescriptors } from "../../support/kernel.js";
import { completionsOf, hasUring, openRing, takeCompletions } from "../../support/ring.js";

const SMALL = { entries: 8, completions: 16 };
const MAP_FAILED = 2 ** 64;
const calls = libc as Record<"syscall" | "mmap", (...args: number[]) => number>;
const real = { ...calls };
afterEach(() => {
  Object.assign(calls, real);
});

function pushNops(ring: Ring, first: number, count: number): void {
  for (let slot = first; slot < first + count; slot++) ring.push(OP.nop, -1, 0, 0, 0, 0, slot, slot * 3);
}

const ringsOpen = () => listDescriptors().filter((target) => target === "anon_inode:[io_uring]").length;
const mappings = () =>
  readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .map(
      (line) =>
        line
          .split(" ")[0]!
          .split("-")
          .map((hex) => Number.parseInt(hex, 16)) as [number, number],
    );
const ringMappings = () => (readFileSync("/proc/self/maps", "utf8").match(/anon_inode:\[io_uring\]/g) ?? []).length;
const isMapped = (address: number) => mappings().some(([from, to]) => address >= from && address < to);

describe.skipIf(!hasUring)("a ring", () => {
  it("returns both words of the user data, whatever their sign", async () => {
    const ring = openRing();
    ring.push(OP.nop, -1, 0, 0, 0, 0, 2 ** 31 - 1, -1);
    ring.push(OP.nop, -1, 0, 0, 0, 0, -7, 0x1234);
    expect(await completionsOf(ring, 2)).toEqual([
      { slot: 2 ** 31 - 1, tag: -1, result: 0, flags: 0 },
      { slot: -7, tag: 0x1234, result: 0, flags: 0 },
    ]);
    expect(ring.ready).toBe(0);
  });

  it("is idle after an enter, even if another CPU sets the flag for work only after the work is done", () => {
    const ring = openRing();
    const { queue, sqFlagsWord } = ring as unknown as { queue: Int32Array; sqFlagsWord: number };
    ring.enter(0, 0);
    Atomics.or(queue, sqFlagsWord, SQ_TASKRUN);
    expect(ring.hasWork).toBe(true);
    ring.enter(0, 0);
    expect(ring.hasWork).toBe(false);
  });

  it("has room for its entries, and for as many again after each enter, around the queue repeatedly", () => {
    const ring = openRing(SMALL);
    for (let round = 0; round < 10; round++) {
      expect(ring.room).toBe(8);
      pushNops(ring, round * 8, 8);
      expect([ring.room, ring.pending]).toEqual([0, 8]);
      expect(ring.enter(8, -1)).toBe(0);
      expect(takeCompletions(ring).map(({ slot }) => slot)).toEqual(Array.from({ length: 8 }, (_, n) => round * 8 + n));
    }
  });

  it("continues until no work is left, even if the kernel stops halfway", () => {
    const ring = openRing({ entries: 256, completions: 512 });
    const LINK = 4;
    // Chains of eight: the kernel handles only a step or two of each chain in one non-waiting io_uring_enter().
    for (let slot = 0; slot < 256; slot++) ring.push(OP.nop | (((slot + 1) % 8 && LINK) << 8), -1, 0, 0, 0, 0, slot, 0);
    ring.enter(0, 0);
    expect(ring.ready).toBe(256);
  });

  it("keeps completions that do not fit into its queue, in order, and reports them", async () => {
    const ring = openRing(SMALL);
    for (let first = 0; first < 64; first += 8) {
      pushNops(ring, first, 8);
      expect(ring.enter(0, 0)).toBe(0);
    }
    expect(ring.ready).toBe(16);
    expect(ring.overflows).toBeGreaterThan(0);
    const seen = await completionsOf(ring, 64);
    expect(seen.map(({ slot }) => slot)).toEqual(Array.from({ length: 64 }, (_, n) => n));
    expect(ring.dropped).toBe(0);
    const { overflows } = ring;
    ring.enter(0, 0);
    expect(ring.overflows).toBe(overflows);
  });

  it("can be read in parts", () => {
    const ring = openRing(SMALL);
    pushNops(ring, 1, 5);
    ring.enter(5, -1);
    ring.advance(3);
    expect(ring.ready).toBe(2);
    expect(ring.slotAt(0)).toBe(4);
    pushNops(ring, 6, 1);
    ring.enter(3, -1);
    expect(takeCompletions(ring).map(({ slot }) => slot)).toEqual([4, 5, 6]);
  });

  it("waits no longer than requested, including fractions", () => {
    const ring = openRing();
    for (const timeoutMs of [0.25, 30]) {
      const startMs = performance.now();
      expect(ring.enter(1, timeoutMs)).toBe(0);
      expect(performance.now() - startMs).toBeGreaterThanOrEqual(timeoutMs);
      expect(ring.ready).toBe(0);
    }
    pushNops(ring, 0, 1);
    expect(ring.enter(1, 60_000)).toBe(0);
    expect(ring.ready).toBe(1);
  });

  it("continues after a signal, keeps what the kernel did not consume, and reports other failures", () => {
    const ring = openRing();
    pushNops(ring, 0, 3);
    for (const [errno, told] of [
      [EINTR, 0],
      [ENOMEM, -ENOMEM],
    ] as const) {
      calls.syscall = () => {
        lastErrno(errno);
        return -1;
      };
      expect(ring.enter(1, -1)).toBe(told);
      expect([ring.pending, ring.ready]).toEqual([3, 0]);
    }
    Object.assign(calls, real);
    expect(ring.enter(3, -1)).toBe(0);
    expect([ring.pending, ring.ready]).toEqual([0, 3]);
  });

  it("uses fewer flags if the kernel does not know them", async () => {
    calls.syscall = (...args) => {
      if (args[0] !== SYS_IO_URING.setup) return real.syscall(...args);
      const [flags] = new Uint32Array(nativeView(args[2]! + PARAMS.flags, 4));
      if ((flags! & SETUP.singleIssuer) === 0) return real.syscall(...args);
      lastErrno(EINVAL);
      return -1;
    };
    const ring = openRing();
    expect(ring.defersWork).toBe(false);
    pushNops(ring, 0, 2);
    expect(await completionsOf(ring, 2)).toHaveLength(2);
    Object.assign(calls, real);
    expect(openRing().defersWork).toBe(true);
  });

  it("leaves nothing behind when closed, and does nothing afterwards", () => {
    const before = ringsOpen();
    const mapped = ringMappings();
    const ring = openRing();
    expect(ringsOpen()).toBe(before + 1);
    expect(ringMappings()).toBe(mapped + 2);
    const own = ring.sockaddrAddress(0);
    expect(isMapped(own)).toBe(true);
    ring.close();
    ring.close();
    expect(ringsOpen()).toBe(before);
    expect(ringMappings()).toBe(mapped);
    expect(isMapped(own)).toBe(false);
    pushNops(ring, 0, 1);
    expect(ring.enter(1, -1)).toBe(-EBADF);
    ring.advance(0);
    expect([ring.ready, ring.pending, ring.dropped]).toEqual([0, 0, 0]);
  });

  it.each([1, 2, 3])("whose mapping %d fails returns an errno, and leaves nothing behind", (nth) => {
    const [descriptors, mapped] = [ringsOpen(), ringMappings()];
    let made = 0;
    calls.mmap = (...args) => {
      if (++made < nth) return real.mmap(...args);
      lastErrno(ENOMEM);
      return MAP_FAILED;
    };
    expect(Ring.open(SMALL)).toBe(-ENOMEM);
    expect(made).toBe(nth);
    expect([ringsOpen(), ringMappings()]).toEqual([descriptors, mapped]);
  });

  it("without required features returns an errno", () => {
    const before = ringsOpen();
    calls.syscall = (...args) => {
      const result = real.syscall(...args);
      if (args[0] === SYS_IO_URING.setup)
        new Uint32Array(nativeView(args[2]! + PARAMS.features, 4))[0] = FEATURE.singleMmap;
      return result;
    };
    expect(Ring.open(SMALL)).toBe(-ENOSYS);
    expect(ringsOpen()).toBe(before);
  });

  it("with sizes that the kernel rejects returns an errno", () => {
    expect(Ring.open({ entries: 0, completions: 16 })).toBe(-EINVAL);
    expect(Ring.open({ entries: 2 ** 20, completions: 2 ** 21 })).toBe(-EINVAL);
  });
});
