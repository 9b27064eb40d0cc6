// Tests the choice of the engine: on request, by what the host allows, and the reason given if it is unavailable.
import { describe, expect, it } from "vitest";
import { EACCES, ENOMEM, ENOSYS } from "../../src/linux/syscalls/errno.js";
import { OP } from "../../src/linux/uring/abi.js";
import type { UringObstacle } from "../../src/linux/uring/support.js";
import type { EngineObstacle } from "../../src/results/engine.js";
import { chooseEngine, type EngineNeeds, lockedBytes, type UringFacts } from "../../src/transport/choose-engine.js";
import { RING_LOCKED_BYTES } from "../../src/transport/kernel-uring/ring-size.js";
import { obstacleWords } from "../../src/transport/obstacle-words.js";
import { AppError } from "../../src/util/errors.js";

const UNLIMITED = Number.POSITIVE_INFINITY;

const needs = (more: Partial<EngineNeeds> = {}): EngineNeeds => ({
  ...{ role: "client", requested: "uring", connections: 100, threads: 2, tableSize: 1000, ...more },
});
const host = (missing?: UringObstacle, memlock = UNLIMITED): UringFacts => ({
  findMissing: () => missing,
  memlockBytes: () => memlock,
});

function refusalOf(facts: UringFacts, more: Partial<EngineNeeds> = {}): AppError {
  try {
    chooseEngine(needs(more), facts);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return error as AppError;
  }
  throw new Error("it was not refused");
}

it("is the requested one, if the host has it", () => {
  expect(chooseEngine(needs(), host())).toEqual({ name: "uring", requested: "uring" });
  expect(chooseEngine(needs({ requested: "epoll" }), host())).toEqual({ name: "epoll", requested: "epoll" });
});

it("does not probe the kernel unnecessarily", () => {
  const facts = {
    findMissing: () => expect.unreachable("a ring was opened"),
    memlockBytes: () => expect.unreachable("the limit was raised"),
  };
  expect(chooseEngine(needs({ requested: "epoll" }), facts).name).toBe("epoll");
});

const EPOLL_INSTEAD = { name: "epoll", requested: "auto" } as const;

describe("auto", () => {
  const auto = (more: Partial<EngineNeeds>, facts = host()) =>
    chooseEngine(needs({ requested: "auto", ...more }), facts);

  it("selects io_uring for clients with many connections, if available", () => {
    expect(auto({ connections: 50_000 })).toEqual({ name: "uring", requested: "auto" });
    expect(auto({ connections: 49_999 })).toEqual({ name: "epoll", requested: "auto" });
    expect(auto({ connections: UNLIMITED, role: "server" })).toEqual({ name: "epoll", requested: "auto" });
    const blocked = host({ kind: "setup", errno: ENOSYS });
    expect(auto({ connections: 50_000 }, blocked)).toMatchObject({ name: "epoll", obstacle: { kind: "kernel" } });
  });

  it.each(Object.keys(OP))("falls back to epoll without %s", (name) => {
    const lacking = host({ kind: "operations", missing: [name] });
    const report = auto({ connections: 50_000 }, lacking);
    expect(report).toEqual({ ...EPOLL_INSTEAD, obstacle: { kind: "operations", operations: [name] } });
    expect(obstacleWords(report.obstacle!).reason).toBe(`this kernel's io_uring lacks ${name}`);
  });

  it("leaves half of the locked memory to the other end", () => {
    const load = { connections: 80_000, tableSize: 20_000 };
    expect(auto(load, host(undefined, 8 * RING_LOCKED_BYTES)).name).toBe("uring");
    const short = host(undefined, 8 * RING_LOCKED_BYTES - 1);
    expect(auto(load, short)).toMatchObject({ name: "epoll", obstacle: { kind: "memlock" } });
    expect(chooseEngine(needs(load), short).name).toBe("uring");
  });
});

describe("if io_uring is requested but unavailable, the error names the cause", () => {
  it.each([
    ["an old kernel", { kind: "setup", errno: ENOSYS }, "E_PLATFORM", /the kernel has no io_uring/, /Linux 6\.11/],
    [
      "a missing operation",
      { kind: "operations", missing: ["bind"] },
      "E_PLATFORM",
      /io_uring lacks bind/,
      /Linux 6\.11/,
    ],
    ["too little locked memory", { kind: "setup", errno: ENOMEM }, "E_PERMISSION", /RLIMIT_MEMLOCK/, /ulimit -l/],
    ["any other error", { kind: "setup", errno: EACCES }, "E_PERMISSION", /failed with EACCES/, /--engine epoll/],
  ] as const)("%s", (_, missing, code, reason, fix) => {
    const error = refusalOf(host(missing, 8192));
    expect(error).toMatchObject({ code, message: expect.stringMatching(reason), fix: expect.stringMatching(fix) });
    expect(error.fix).toContain("--engine epoll");
  });
});

describe("RLIMIT_MEMLOCK", () => {
  const rings = (count: number) => count * RING_LOCKED_BYTES;

  it("must suffice for one ring per thread, and for as many more as the connections need", () => {
    const load = { threads: 2, tableSize: 1000 };
    expect(lockedBytes({ ...load, connections: 1 })).toBe(rings(2));
    expect(lockedBytes({ ...load, connections: 2000 })).toBe(rings(2));
    expect(lockedBytes({ ...load, connections: 2001 })).toBe(rings(4));
    expect(lockedBytes({ ...load, connections: UNLIMITED })).toBe(rings(2));
  });

  it("can be too small by a single byte", () => {
    expect(chooseEngine(needs({ connections: 5000 }), host(undefined, rings(6))).name).toBe("uring");
    const { message } = refusalOf(host(undefined, rings(6) - 1), { connections: 5000 });
    expect(message).toMatch(/RLIMIT_MEMLOCK \(.+\) leaves too little for the rings: .+ are needed/);
  });
});

it("has an explanation for every obstacle", () => {
  const all: readonly EngineObstacle[] = [
    { kind: "filter", errno: "EPERM" },
    { kind: "disabled", errno: "EPERM" },
    { kind: "kernel", errno: "ENOSYS" },
    { kind: "operations", operations: ["bind", "uringCmd"] },
    { kind: "memlock", memlockBytes: "unlimited", errno: "ENOMEM" },
    { kind: "memlock", memlockBytes: 8192, neededBytes: 1e6 },
    { kind: "other" },
  ];
  const words = all.map(obstacleWords);
  expect(new Set(words.map(({ reason }) => reason)).size).toBe(all.length);
  for (const { reason, fix } of words) expect(`${reason} ${fix}`).not.toMatch(/undefined|\[object/);
});
