// How connections in rings end: one by one as a chain, or all of a ring in batches.
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushCancelFile, pushClose, pushResetOnClose } from "../../linux/uring/entries.js";
import { SLOT } from "../slot-state.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { CLOSING, CONNECTING, POLLING, RECEIVING, SENDING, type Slots } from "./slots.js";
import { TAG } from "./tags.js";

/** The next entry follows, whatever comes of this one. */
const THEN = SQE_FLAG.hardlink | SQE_FLAG.skipSuccess;
/** Entries that ending one connection takes at most. */
const ENTRIES = 5;
const ENDED_AT_ONCE = 256;
/** The kernel ends what has not ended after so many waits, when the ring is closed. */
const PATIENCE = 50;
const WAIT_MS = 20;

/** Ends the connection in `slot`. Requests that are under way would keep it: they end first. */
export function endConnection(rings: RingSet, slots: Slots, slot: number, resets: boolean): void {
  const unit = rings.unitOf(slot);
  const { ring } = unit;
  const file = slot - unit.firstSlot;
  const bits = slots.get(slot);
  rings.reserve(unit, ENTRIES);
  slots.add(slot, CLOSING);
  // A send's tag is not known here. Looking for all requests of a file takes the kernel longer, and is seldom needed.
  if ((bits & SENDING) !== 0) pushCancelFile(ring, file, THEN, slot, TAG.ignored);
  else {
    if ((bits & CONNECTING) !== 0) pushCancel(ring, slot, TAG.connect, THEN, slot, TAG.ignored);
    if ((bits & RECEIVING) !== 0) pushCancel(ring, slot, TAG.receive, THEN, slot, TAG.ignored);
    if ((bits & POLLING) !== 0) pushCancel(ring, slot, TAG.poll, THEN, slot, TAG.ignored);
  }
  if (resets) pushResetOnClose(ring, file, THEN, slot, TAG.ignored);
  pushClose(ring, file, 0, slot, TAG.close);
}

/** Ends all connections of a ring, some hundreds at a time, asking between them whether to leave the rest to the kernel. */
export function endRing(rings: RingSet, slots: Slots, unit: RingUnit, resets: boolean, isAborted: () => boolean): void {
  const { firstSlot } = unit;
  const end = Math.min(slots.end, firstSlot + rings.filesEach);
  let begun = 0;
  let ended = 0;
  for (let slot = firstSlot; slot < end; slot++) {
    if (slots.state(slot) === SLOT.free) continue;
    // One by one: to cancel all requests of a ring at once takes the kernel a time that grows with their square.
    endConnection(rings, slots, slot, resets);
    if (++begun % ENDED_AT_ONCE !== 0) continue;
    ended += countEnded(unit, 0);
    if (isAborted()) return;
  }
  for (let idle = 0; ended < begun && idle < PATIENCE; ) {
    const count = countEnded(unit, WAIT_MS);
    ended += count;
    idle = count > 0 ? 0 : idle + 1;
    if (isAborted()) return;
  }
}

/** Hands over what was written, and takes what has come of it. @returns how many connections have ended */
function countEnded({ ring }: RingUnit, waitMs: number): number {
  let count = 0;
  if (ring.enter(1, waitMs) < 0) return count;
  for (let i = 0; i < ring.ready; i++) {
    if (ring.tagAt(i) === TAG.close) count++;
  }
  ring.advance(ring.ready);
  return count;
}
