// Tests locked memory as a limit of connections in io_urings, and of nothing else.
import { describe, expect, it } from "vitest";
import { epollWatches, nofile } from "../../src/capacity/limits/descriptors.js";
import { memlock } from "../../src/capacity/limits/memlock.js";
import { RING_LOCKED_BYTES } from "../../src/transport/kernel-uring/ring-size.js";
import { clientLoad, hostFacts, localLoad } from "../support/doctor.js";

const UNLIMITED = Number.POSITIVE_INFINITY;
const ringsOf = (count: number, hard = 1000) =>
  hostFacts({ nofile: { soft: hard, hard }, cores: 2, memlockBytes: count * RING_LOCKED_BYTES });
const inRings = clientLoad({ engine: "uring", connections: 10_000 });

describe("RLIMIT_MEMLOCK", () => {
  it("allows one descriptor table's worth of connections for each ring that fits", () => {
    expect(memlock.allows!(ringsOf(7), inRings)).toBe(7000);
    expect(memlock.needs(ringsOf(7), inRings)).toBe(10 * RING_LOCKED_BYTES);
  });

  it("is shared by both ends of one user", () => {
    const both = localLoad({ engine: "uring", connections: 10_000 });
    expect(memlock.allows!(ringsOf(8), both)).toBe(4000);
    expect(memlock.needs(ringsOf(8), both)).toBe(20 * RING_LOCKED_BYTES);
  });

  it("must leave room for one ring per thread", () => {
    expect(memlock.allows!(ringsOf(1), inRings)).toBe(0);
  });

  it("does not limit processes with CAP_IPC_LOCK, the epoll engine or ordinary programs", () => {
    expect(memlock.allows!(hostFacts({ memlockBytes: UNLIMITED }), inRings)).toBe(UNLIMITED);
    for (const load of [clientLoad({ engine: "epoll" }), clientLoad({ engine: "uring", program: "ordinary" })]) {
      expect([memlock.allows!(ringsOf(0), load), memlock.needs(ringsOf(0), load)]).toEqual([UNLIMITED, undefined]);
    }
  });
});

it("connections in rings need neither descriptors nor epoll watches", () => {
  const facts = hostFacts({ nofile: { soft: 100, hard: 100 }, epollWatches: 5 });
  for (const limit of [nofile, epollWatches]) {
    expect([limit.allows!(facts, inRings), limit.needs(facts, inRings)]).toEqual([UNLIMITED, undefined]);
    expect(limit.allows!(facts, clientLoad({ engine: "epoll" }))).toBeLessThan(100);
  }
});
