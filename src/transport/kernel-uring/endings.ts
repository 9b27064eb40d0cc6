// Ends connections in rings, individually or a whole ring in batches.
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushClose, pushDisconnect } from "../../linux/uring/entries.js";
import type { Ring } from "../../linux/uring/ring.js";
import { SLOT } from "../slot-state.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { CONNECTING, POLLING, RECEIVING, type Slots, WAITING } from "./slots.js";
import { TAG, tagOf } from "./tags.js";

const QUIETLY = SQE_FLAG.skipSuccess;
/** Maximum number of entries needed to end one connection. */
const ENTRIES = 5;
const ENDED_AT_ONCE = 256;

/**
 * Ends the connection in `slot`. Requests pending on the socket hold a reference to it, so they are cancelled before
 * the close.
 */
export function endConnection(rings: RingSet, slots: Slots, slot: number, resets: boolean): void {
  const bits = slots.get(slot);
  const unit = rings.unitOf(slot);
  const { ring } = unit;
  const file = slot - unit.firstSlot;
  rings.reserve(unit, ENTRIES);
  if ((bits & CONNECTING) !== 0) cancel(ring, slots, slot, TAG.connect);
  // Cancelling is expensive, because the kernel searches all requests of the ring. Disconnecting the socket completes
  // the requests without a search.
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

/**
 * Ends all connections of a ring in batches of a few hundred, checking after each batch whether to leave the rest to
 * the kernel.
 */
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

/** Submits the pending entries and runs the ring until the requests on the connections have ended. */
function finish({ ring }: RingUnit): void {
  do {
    if (ring.enter(0, 0) < 0) return;
    ring.advance(ring.ready);
  } while (ring.hasWork);
}
