// Tests which free slots are handed out, and in which order.
import { expect, it } from "vitest";
import { FreeSlots } from "../../../src/transport/kernel-epoll/free-slots.js";

const takeAll = (slots: FreeSlots) => {
  const taken: number[] = [];
  for (let slot = slots.take(); slot >= 0; slot = slots.take()) taken.push(slot);
  return taken;
};

it("returns the most recently freed slots first, and keeps those freed meanwhile for the next recycle", () => {
  const slots = new FreeSlots();
  for (const slot of [10, 11, 12]) slots.give(slot);
  expect(slots.take()).toBe(-1);
  slots.recycle();
  slots.give(20);
  slots.give(21);
  expect(slots.take()).toBe(12);
  expect(takeAll(slots)).toEqual([11, 10]);
  slots.recycle();
  expect(takeAll(slots).sort()).toEqual([20, 21]);
  slots.recycle();
  expect(slots.take()).toBe(-1);
});

it("keeps every slot while its array grows several times, with both kinds in it", () => {
  const slots = new FreeSlots();
  const count = 5000;
  for (let slot = 0; slot < count; slot++) {
    slots.give(slot);
    if (slot === count / 2) slots.recycle();
  }
  const before = takeAll(slots);
  expect(before).toEqual(Array.from({ length: count / 2 + 1 }, (_, n) => count / 2 - n));
  slots.recycle();
  expect(takeAll(slots).sort((a, b) => a - b)).toEqual(
    Array.from({ length: count / 2 - 1 }, (_, n) => count / 2 + 1 + n),
  );
});
