// Unit tests for the store of answers that peers do not read.
import { expect, it } from "vitest";
import { Unsent } from "../../../src/engine/sending/unsent.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";

const CHUNKS = 1024;

/** Returns a sender that accepts at most `most` bytes per call and records them. */
function takingSender(most: number) {
  const taken: number[] = [];
  const send = (_slot: number, { bytes }: NativeBuffer, offset: number, length: number) => {
    const count = Math.min(most, length);
    taken.push(...bytes.subarray(offset, offset + count));
    return count;
  };
  return { taken, sender: { send } };
}

it("has one limit for all threads, and has room again when one has finished", () => {
  const shared = new Int32Array(1);
  const [one, other] = [new Unsent(shared, 0), new Unsent(shared, 0)];
  const bytes = NativeBuffer.from(Uint8Array.of(1, 2, 3));
  for (let slot = 0; slot < CHUNKS; slot++) {
    expect(one.hasRoom && other.hasRoom).toBe(true);
    (slot % 2 === 0 ? one : other).keep(slot, bytes, 0, 3);
  }
  expect([one.hasRoom, other.hasRoom]).toEqual([false, false]);
  one.drop(0);
  expect([one.hasRoom, other.hasRoom]).toEqual([true, true]);
  // Nothing is stored for these slots, so dropping them has no effect.
  one.drop(0);
  one.drop(CHUNKS * 5);
  expect(other.keep(CHUNKS + 1, bytes, 0, 3)).toBe(true);
  expect(one.hasRoom).toBe(false);
});

it("sends what was stored, byte for byte and in order, even after chunks were returned", () => {
  const unsent = new Unsent(new Int32Array(1), 0);
  const bytes = NativeBuffer.from(Uint8Array.from({ length: 64 * 1024 }, (_, n) => n % 251));
  for (let round = 0; round < 3; round++) {
    for (let slot = 0; slot < 200; slot++) unsent.keep(slot, bytes, 0, bytes.bytes.length);
    for (let slot = 0; slot < 200; slot++) unsent.drop(slot);
  }
  unsent.keep(7, bytes, 1000, 1010);
  unsent.keep(9, bytes, 20, 25);
  const { taken, sender } = takingSender(4);
  const sizes: number[] = [];
  while (!unsent.isSent(7)) sizes.push(unsent.send(7, sender));
  expect(sizes).toEqual([4, 4, 2]);
  while (!unsent.isSent(9)) unsent.send(9, sender);
  expect(taken).toEqual([...bytes.bytes.subarray(1000, 1010), ...bytes.bytes.subarray(20, 25)]);
});

it("appends to what a slot already has, up to the end of its chunk", () => {
  const unsent = new Unsent(new Int32Array(1), 0);
  const bytes = NativeBuffer.from(Uint8Array.from({ length: 64 * 1024 }, (_, n) => n % 251));
  expect(unsent.has(3)).toBe(false);
  expect(unsent.keep(3, bytes, 0, 60_000)).toBe(true);
  expect(unsent.has(3)).toBe(true);
  expect(unsent.keep(3, bytes, 0, 10_000)).toBe(false);
  expect(unsent.keep(3, bytes, 60_000, 65_536)).toBe(true);
  expect(unsent.keep(3, bytes, 0, 1)).toBe(false);
  const { taken, sender } = takingSender(1000);
  while (!unsent.isSent(3)) unsent.send(3, sender);
  expect(Buffer.from(taken).equals(bytes.bytes)).toBe(true);
});

it("stores nothing beyond the limit, however often it is called", () => {
  const unsent = new Unsent(new Int32Array(1), 0);
  const bytes = NativeBuffer.from(Uint8Array.of(1));
  let kept = 0;
  for (let slot = 0; slot < 3 * CHUNKS; slot++) if (unsent.keep(slot, bytes, 0, 1)) kept++;
  expect(kept).toBe(CHUNKS + 1);
});
