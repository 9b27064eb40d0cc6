// What is kept of answers that peers do not take, by itself.
import { expect, it } from "vitest";
import type { ConnectionTable } from "../../src/engine/connection-table.js";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { Unsent } from "../../src/server/unsent.js";
import { SHARED } from "../../src/server/worker-plan.js";

const CHUNKS = 1024;

/** Takes `most` bytes of each send, and keeps them. */
function takingTable(most: number) {
  const taken: number[] = [];
  const send = (_slot: number, { bytes }: NativeBuffer, offset: number, length: number) => {
    const count = Math.min(most, length);
    taken.push(...bytes.subarray(offset, offset + count));
    return count;
  };
  return { taken, table: { send } as unknown as ConnectionTable };
}

it("has one bound for the threads together, and room again when one is done", () => {
  const shared = new Int32Array(SHARED.words);
  const [one, other] = [new Unsent(shared), new Unsent(shared)];
  const bytes = NativeBuffer.from(Uint8Array.of(1, 2, 3));
  for (let slot = 0; slot < CHUNKS; slot++) {
    expect(one.hasRoom && other.hasRoom).toBe(true);
    (slot % 2 === 0 ? one : other).keep(slot, bytes, 0, 3);
  }
  expect([one.hasRoom, other.hasRoom]).toEqual([false, false]);
  one.drop(0);
  expect([one.hasRoom, other.hasRoom]).toEqual([true, true]);
  // Nothing is kept for these: nothing changes.
  one.drop(0);
  one.drop(CHUNKS * 5);
  other.keep(1, bytes, 0, 3);
  expect(one.hasRoom).toBe(false);
});

it("sends what was kept, byte for byte and in its order, also after chunks were given back", () => {
  const unsent = new Unsent(new Int32Array(SHARED.words));
  const bytes = NativeBuffer.from(Uint8Array.from({ length: 64 * 1024 }, (_, n) => n % 251));
  for (let round = 0; round < 3; round++) {
    for (let slot = 0; slot < 200; slot++) unsent.keep(slot, bytes, 0, bytes.bytes.length);
    for (let slot = 0; slot < 200; slot++) unsent.drop(slot);
  }
  unsent.keep(7, bytes, 1000, 1010);
  unsent.keep(9, bytes, 20, 25);
  const { taken, table } = takingTable(4);
  const sizes: number[] = [];
  while (!unsent.isSent(7)) sizes.push(unsent.send(7, table));
  expect(sizes).toEqual([4, 4, 2]);
  while (!unsent.isSent(9)) unsent.send(9, table);
  expect(taken).toEqual([...bytes.bytes.subarray(1000, 1010), ...bytes.bytes.subarray(20, 25)]);
});
