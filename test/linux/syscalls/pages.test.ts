// Tests returning memory to the kernel.
import { expect, it } from "vitest";
import { readMemoryUse } from "../../../src/engine/memory-use.js";
import { discard } from "../../../src/linux/syscalls/pages.js";

const MIB = 1024 ** 2;

it("discards the memory of a large array at once, and leaves its neighbours alone", () => {
  const buffer = new ArrayBuffer(96 * MIB);
  const [before, array, after] = [0, 32, 64].map((at) => new Uint32Array(buffer, at * MIB, (32 * MIB) / 4).fill(7));
  const { residentBytes } = readMemoryUse();
  discard(array!);
  expect(residentBytes - readMemoryUse().residentBytes).toBeGreaterThan(24 * MIB);
  expect([before!.every((word) => word === 7), after!.every((word) => word === 7)]).toEqual([true, true]);
  expect(array![array!.length / 2]).toBe(0);
});

it("keeps small arrays, which share pages with others", () => {
  const array = new Uint8Array(60_000).fill(7);
  discard(array);
  expect(array.every((byte) => byte === 7)).toBe(true);
});
