// Tests that locked memory limits connections in io_urings, and nothing else.
import { describe, expect, it } from "vitest";
import { epollWatches, nofile } from "../../src/capacity/limits/descriptors.js";
import { memlock } from "../../src/capacity/limits/memlock.js";
import { predict } from "../../src/capacity/predict.js";
import { RING_LOCKED_BYTES } from "../../src/transport/kernel-uring/ring-size.js";
import { clientLoad, hostFacts, localLoad } from "../support/doctor.js";

const UNLIMITED = Number.POSITIVE_INFINITY;
const ringsOf = (count: number, hard = 1000) =>
  hostFacts({ nofile: { soft: hard, hard }, cores: 2, memlockBytes: count * RING_LOCKED_BYTES });
const EPOLL = { client: "epoll", server: "epoll", obstacle: undefined } as const;
const URING = { client: "uring", server: "uring", obstacle: undefined } as const;
/** Engines of `auto` for a large load. */
const MIXED = { client: "uring", server: "epoll", obstacle: undefined } as const;
const inRings = clientLoad({ engines: URING, connections: 10_000 });

describe("RLIMIT_MEMLOCK", () => {
  it("allows one descriptor table's worth of connections for each ring that fits", () => {
    expect(memlock.allows!(ringsOf(7), inRings)).toBe(7000);
    expect(memlock.needs(ringsOf(7), inRings)).toBe(10 * RING_LOCKED_BYTES);
  });

  it("is shared by both ends of one user", () => {
    const both = localLoad({ engines: URING, connections: 10_000 });
    expect(memlock.allows!(ringsOf(8), both)).toBe(4000);
    expect(memlock.needs(ringsOf(8), both)).toBe(20 * RING_LOCKED_BYTES);
  });

  it("applies only to ends that use io_uring", () => {
    const both = localLoad({ engines: MIXED, connections: 10_000 });
    expect([memlock.allows!(ringsOf(8), both), memlock.needs(ringsOf(8), both)]).toEqual([
      8000,
      10 * RING_LOCKED_BYTES,
    ]);
    const server = localLoad({ engines: MIXED, role: "server" });
    expect([memlock.allows!(ringsOf(0), server), memlock.needs(ringsOf(0), server)]).toEqual([UNLIMITED, undefined]);
  });

  it("is low but does not cap connections if it caused the fallback to epoll", () => {
    const obstacle = { kind: "memlock", memlockBytes: 3, neededBytes: 4 } as const;
    const load = clientLoad({ engines: { ...EPOLL, obstacle }, connections: 10_000 });
    const { limits, isTargetMet, notes } = predict({ facts: ringsOf(3, 20_000), load, obstacle: undefined });
    expect(limits.find(({ id }) => id === "memlock")).toMatchObject({
      ...{ verdict: "low", allows: "unlimited", needs: 4 * RING_LOCKED_BYTES },
    });
    expect(isTargetMet).toBe(true);
    expect(notes).toEqual([expect.stringMatching(/^fourtuple uses epoll: RLIMIT_MEMLOCK .*; for io_uring: raise it/)]);
    const ordinary = predict({
      facts: ringsOf(3, 20_000),
      load: { ...load, program: "ordinary" },
      obstacle: undefined,
    });
    expect(ordinary.notes).toEqual([]);
  });

  it("must leave room for one ring per thread", () => {
    expect(memlock.allows!(ringsOf(1), inRings)).toBe(0);
  });

  it("does not limit processes with CAP_IPC_LOCK, the epoll engine or ordinary programs", () => {
    expect(memlock.allows!(hostFacts({ memlockBytes: UNLIMITED }), inRings)).toBe(UNLIMITED);
    for (const load of [clientLoad({ engines: EPOLL }), clientLoad({ engines: URING, program: "ordinary" })]) {
      expect([memlock.allows!(ringsOf(0), load), memlock.needs(ringsOf(0), load)]).toEqual([UNLIMITED, undefined]);
    }
  });
});

it("connections in io_uring need neither descriptors nor epoll watches", () => {
  const facts = hostFacts({ nofile: { soft: 100, hard: 100 }, epollWatches: 5 });
  for (const limit of [nofile, epollWatches]) {
    expect([limit.allows!(facts, inRings), limit.needs(facts, inRings)]).toEqual([UNLIMITED, undefined]);
    expect(limit.allows!(facts, clientLoad({ engines: EPOLL }))).toBeLessThan(100);
  }
});

it("an end with epoll takes epoll watches, whatever the other end uses", () => {
  // A fifth is kept free.
  const facts = hostFacts({ epollWatches: 5120 });
  const ends = (engines: typeof MIXED | typeof EPOLL) => epollWatches.allows!(facts, localLoad({ engines }));
  expect([ends(EPOLL), ends(MIXED)]).toEqual([2048, 4096]);
});
