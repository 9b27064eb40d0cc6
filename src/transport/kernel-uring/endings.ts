// How connections in rings end: one by one, or all of a ring in batches.
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushClose, pushDisconnect } from "../../linux/uring/entries.js";
import type { Ring } from "../../linux/uring/ring.js";
import { SLOT } from "../slot-state.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { CONNECTING, POLLING, RECEIVING, type Slots, WAITING } from "./slots.js";
import { TAG, tagOf } from "./tags.js";

const QUIETLY = SQE_FLAG.skipSuccess;
/** Entries that ending one connection takes at most. */
const ENTRIES = 5;
const ENDED_AT_ONCE = 256;

/** Ends the connection in `slot`: the kernel takes entries in their order. What waits on its socket would keep it, and ends first. */
export function endConnection(rings: RingSet, slots: Slots, slot: number, resets: boolean): void {
  const bits = slots.get(slot);
  const unit = rings.unitOf(slot);
  const { ring } = unit;
  const file = slot - unit.firstSlot;
  rings.reserve(unit, ENTRIES);
  if ((bits & CONNECTING) !== 0) cancel(ring, slots, slot, TAG.connect);
  // To find a request among those of a full ring takes the kernel longer than all the rest: a reset ends them without.
  if (resets) pushDisconnect(ring, file, QUIETLY, slot, TAG.ignored);
  else {
    if ((bits & RECEIVING) !== 0) cancel(ring, slots, slot, TAG.receive);
    if ((bits & POLLING) !== 0) cancel(ring, slots, slot, TAG.poll);
    if ((bits & WAITING) !== 0) cancel(ring, slots, slot, TAG.writable);
  }
  pushClose(ring, file, QUIETLY, slot, TAG.ignored);
}

function cancel(ring: Ring, slots: Slots, slot: number, kind: number): void {
  pushCancel(ring, slot, tagOf(kind, slots.life(slot)), QUIETLY, slot, TAG.ignored);
}

/** Ends all connections of a ring, some hundreds at a time, asking between them whether to leave the rest to the kernel. */
export function endRing(rings: RingSet, slots: Slots, unit: RingUnit, resets: boolean, isAborted: () => boolean): void {
  const { firstSlot, ring } = unit;
  const end = Math.min(slots.end, firstSlot + rings.filesEach);
  let begun = 0;
  for (let slot = firstSlot; slot < end; slot++) {
    if (slots.state(slot) === SLOT.free) continue;
    endConnection(rings, slots, slot, resets);
    if (++begun % ENDED_AT_ONCE !== 0) continue;
    finish(unit);
    if (isAborted()) return;
  }
  finish(unit);
  ring.advance(ring.ready);
}

/** Hands over what was written, and lets what waits on the connections end. */
function finish({ ring }: RingUnit): void {
  do {
    if (ring.enter(0, 0) < 0) return;
    ring.advance(ring.ready);
  } while (ring.hasWork || ring.hasOverflow);
}
