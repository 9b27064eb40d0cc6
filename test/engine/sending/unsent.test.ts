// Unit tests for the store of answers that peers do not read.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Unsent } from "../../../src/engine/sending/unsent.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { FAULT } from "../../../src/protocols/codes.js";

const BLOCKS = 1024;
const BLOCK_BYTES = 65_536;

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
  const bytes = new NativeBuffer(BLOCK_BYTES);
  for (let slot = 0; slot < BLOCKS; slot++) {
    expect(one.hasRoom && other.hasRoom).toBe(true);
    (slot % 2 === 0 ? one : other).keep(slot, bytes, 0, BLOCK_BYTES);
  }
  expect([one.hasRoom, other.hasRoom]).toEqual([false, false]);
  one.drop(0);
  expect([one.hasRoom, other.hasRoom]).toEqual([true, true]);
  // Nothing is stored for these slots, so dropping them has no effect.
  one.drop(0);
  one.drop(BLOCKS * 5);
  expect(other.keep(BLOCKS + 1, bytes, 0, BLOCK_BYTES)).toBe(0);
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

it("appends to what a slot already has, up to a maximum", () => {
  const unsent = new Unsent(new Int32Array(1), 0);
  const bytes = NativeBuffer.from(Uint8Array.from({ length: 64 * 1024 }, (_, n) => n % 251));
  expect(unsent.has(3)).toBe(false);
  expect(unsent.keep(3, bytes, 0, 60_000)).toBe(0);
  expect(unsent.has(3)).toBe(true);
  expect(unsent.keep(3, bytes, 0, 10_000)).toBe(-FAULT.SEND_QUEUE_FULL);
  expect(unsent.keep(3, bytes, 60_000, 65_536)).toBe(0);
  expect(unsent.keep(3, bytes, 0, 1)).toBe(-FAULT.SEND_QUEUE_FULL);
  const { taken, sender } = takingSender(1000);
  while (!unsent.isSent(3)) unsent.send(3, sender);
  expect(Buffer.from(taken).equals(bytes.bytes)).toBe(true);
});

it("stores nothing beyond the limit, however often it is called", () => {
  const unsent = new Unsent(new Int32Array(1), 0);
  const bytes = new NativeBuffer(BLOCK_BYTES);
  const results = Array.from({ length: 3 * BLOCKS }, (_, slot) => unsent.keep(slot, bytes, 0, BLOCK_BYTES));
  expect(results.filter((result) => result === 0)).toHaveLength(BLOCKS + 1);
  expect(new Set(results)).toEqual(new Set([0, -FAULT.BUFFERS_FULL]));
});

it("has room for a million short remainders, and for long ones again afterwards", () => {
  const shared = new Int32Array(1);
  const unsent = new Unsent(shared, 0);
  const bytes = new NativeBuffer(BLOCK_BYTES);
  let refused = 0;
  for (let slot = 0; slot < 1_000_000; slot++) if (unsent.keep(slot, bytes, 0, 64) !== 0) refused++;
  expect({ refused, blocks: shared[0] }).toEqual({ refused: 0, blocks: Math.ceil(1_000_000 / BLOCKS) });
  for (let slot = 0; slot < 1_000_000; slot++) if (slot !== 700_000) unsent.drop(slot);
  expect(shared[0]).toBe(1);
  for (let slot = 0; slot < BLOCKS; slot++) refused += unsent.keep(slot, bytes, 0, BLOCK_BYTES);
  expect(refused).toBe(0);
});

it("keeps what each slot has, however the slots grow, shrink and end", () => {
  const slot = fc.nat(40);
  const step = fc.oneof(
    fc.record({ kind: fc.constant("keep" as const), slot, bytes: fc.oneof(fc.nat(300), fc.nat(20_000)) }),
    fc.record({ kind: fc.constant("send" as const), slot, bytes: fc.oneof(fc.nat(300), fc.nat(70_000)) }),
    fc.record({ kind: fc.constant("drop" as const), slot, bytes: fc.constant(0) }),
  );
  const source = NativeBuffer.from(randomBytes(BLOCK_BYTES));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const shared = new Int32Array(1);
      const unsent = new Unsent(shared, 0);
      const expected = new Map<number, Buffer>();
      steps.forEach(({ kind, slot: at, bytes }, n) => {
        const before = expected.get(at) ?? Buffer.alloc(0);
        if (kind === "keep") {
          const start = (n * 997) % (BLOCK_BYTES - 20_000);
          const result = unsent.keep(at, source, start, start + bytes);
          expect(result).toBe(before.length + bytes > BLOCK_BYTES ? -FAULT.SEND_QUEUE_FULL : 0);
          if (result === 0) expected.set(at, Buffer.concat([before, source.bytes.subarray(start, start + bytes)]));
        } else if (kind === "send" && unsent.has(at)) {
          const { taken, sender } = takingSender(bytes);
          const sent = unsent.send(at, sender);
          expect(Buffer.from(taken).equals(before.subarray(0, sent))).toBe(true);
          expected.set(at, before.subarray(sent));
          expect(unsent.isSent(at)).toBe(sent === before.length);
        } else if (kind === "drop") {
          unsent.drop(at);
          expected.delete(at);
        }
        expect(unsent.has(at)).toBe(expected.has(at));
      });
      for (const [at, bytes] of expected) {
        const { taken, sender } = takingSender(BLOCK_BYTES);
        unsent.send(at, sender);
        expect(Buffer.from(taken).equals(bytes)).toBe(true);
        unsent.drop(at);
      }
      expect(shared[0]).toBe(0);
    }),
    { numRuns: 40 },
  );
});
