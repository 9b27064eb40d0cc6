// Free slots and slots that wait, each against a plain array that does the same.
import fc from "fast-check";
import { expect, it } from "vitest";
import { FreeSlots } from "../../src/engine/free-slots.js";
import { SlotQueue } from "../../src/engine/slot-queue.js";

it("gives every free slot out once, and none that was freed since the last recycle", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("take", "give", "recycle")), (steps) => {
      const slots = new FreeSlots();
      const [held, free, freed] = [new Set<number>(), new Set<number>(), new Set<number>()];
      let next = 0;
      for (const step of steps) {
        if (step === "take") {
          const slot = slots.take();
          expect(slot >= 0).toBe(free.size > 0);
          if (slot >= 0) expect(free.delete(slot)).toBe(true);
          held.add(slot >= 0 ? slot : next++);
        } else if (step === "give") {
          const [slot] = held;
          if (slot === undefined) continue;
          held.delete(slot);
          freed.add(slot);
          slots.give(slot);
        } else {
          slots.recycle();
          for (const slot of freed) free.add(slot);
          freed.clear();
        }
      }
    }),
  );
});

it("lets slots wait in their order, each once", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(500), fc.constant("shift" as const)), { maxLength: 400 }), (steps) => {
      const queue = new SlotQueue();
      const model: number[] = [];
      for (const step of steps) {
        if (step !== "shift") {
          queue.push(step);
          if (!model.includes(step)) model.push(step);
        } else if (model.length > 0) expect(queue.shift()).toBe(model.shift());
        expect(queue.length).toBe(model.length);
        for (const slot of [0, 250, 500]) expect(queue.has(slot)).toBe(model.includes(slot));
      }
    }),
  );
});
