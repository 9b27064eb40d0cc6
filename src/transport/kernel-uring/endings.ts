// How connections in rings end: one by one, or all of a ring in batches.
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushClose, pushResetOnClose } from "../../linux/uring/entries.js";
import { SLOT } from "../slot-state.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { CONNECTING, POLLING, RECEIVING, type Slots, WAITING } from "./slots.js";
import { TAG, tagOf } from "./tags.js";

const QUIETLY = SQE_FLAG.skipSuccess;
/** Entries that ending one connection takes at most. */
const ENTRIES = 6;
const ENDED_AT_ONCE = 256;

/** Gives up on what is under way for the connection in `slot`: requests would keep it. */
export function cancelWaits(rings: RingSet, slots: Slots, slot: number): void {
  const bits = slots.get(slot);
  if ((bits & (CONNECTING | RECEIVING | POLLING | WAITING)) === 0) return;
  const unit = rings.unitOf(slot);
  const { ring } = unit;
  const life = slots.life(slot);
  rings.reserve(unit, ENTRIES);
  if ((bits & CONNECTING) !== 0) pushCancel(ring, slot, tagOf(TAG.connect, life), QUIETLY, slot, TAG.ignored);
  if ((bits & RECEIVING) !== 0) pushCancel(ring, slot, tagOf(TAG.receive, life), QUIETLY, slot, TAG.ignored);
  if ((bits & POLLING) !== 0) pushCancel(ring, slot, tagOf(TAG.poll, life), QUIETLY, slot, TAG.ignored);
  if ((bits & WAITING) !== 0) pushCancel(ring, slot, tagOf(TAG.writable, life), QUIETLY, slot, TAG.ignored);
}

/** Closes the connection in `slot`; the kernel takes entries in their order, so what was cancelled has ended by then. */
export function closeFile(rings: RingSet, slot: number, resets: boolean): void {
  const unit = rings.unitOf(slot);
  const file = slot - unit.firstSlot;
  rings.reserve(unit, ENTRIES);
  if (resets) pushResetOnClose(unit.ring, file, QUIETLY, slot, TAG.ignored);
  pushClose(unit.ring, file, QUIETLY, slot, TAG.ignored);
}

/** Ends all connections of a ring, some hundreds at a time, asking between them whether to leave the rest to the kernel. */
export function endRing(rings: RingSet, slots: Slots, unit: RingUnit, resets: boolean, isAborted: () => boolean): void {
  const { firstSlot, ring } = unit;
  const end = Math.min(slots.end, firstSlot + rings.filesEach);
  let begun = 0;
  for (let slot = firstSlot; slot < end; slot++) {
    if (slots.state(slot) === SLOT.free) continue;
    // One by one: to cancel all requests of a ring at once takes the kernel a time that grows with their square.
    cancelWaits(rings, slots, slot);
    closeFile(rings, slot, resets);
    if (++begun % ENDED_AT_ONCE !== 0) continue;
    finish(unit);
    if (isAborted()) return;
  }
  finish(unit);
  ring.advance(ring.ready);
}

/** Hands over what was written, and lets what was cancelled end. */
function finish({ ring }: RingUnit): void {
  do {
    if (ring.enter(0, 0) < 0) return;
    ring.advance(ring.ready);
  } while (ring.hasWork || ring.hasOverflow);
}
