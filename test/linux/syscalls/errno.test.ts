import { constants } from "node:os";
import { expect, it } from "vitest";
import * as errno from "../../../src/linux/syscalls/errno.js";

it("has the kernel's numbers", () => {
  const numbers = Object.entries<unknown>(errno).filter(([name]) => /^E[A-Z0-9]+$/.test(name)) as [string, number][];
  expect(numbers.length).toBeGreaterThan(15);
  const own: Record<string, number> = constants.errno;
  for (const [name, number] of numbers) {
    if (own[name] !== undefined) expect(number, name).toBe(own[name]);
    expect(number).toBeLessThan(errno.ERRNO_LIMIT);
  }
});

it("has names and explanations", () => {
  expect(errno.errnoName(111)).toBe("ECONNREFUSED");
  expect(errno.errnoName(24)).toBe("EMFILE");
  expect(errno.errnoName(999)).toBe("errno 999");
  expect(errno.errnoMeaning(111)).toBe("connection refused");
  expect(errno.errnoMeaning(999)).toBe("unknown error");
});

it("names every errno that a TCP program encounters", () => {
  for (const number of Object.values(constants.errno)) {
    const name = errno.errnoName(number);
    if (name.startsWith("errno ")) continue;
    expect((constants.errno as Record<string, number>)[name] ?? number, name).toBe(number);
  }
  const met = [
    "EMFILE",
    "ENFILE",
    "ENOBUFS",
    "ENOMEM",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ETIMEDOUT",
    "ECONNRESET",
    "EPIPE",
    "ENOSPC",
  ] as const;
  for (const name of met) expect(errno.errnoName(constants.errno[name])).toBe(name);
});
