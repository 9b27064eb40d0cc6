// How connections in rings end: one by one as a chain, or all of a ring in batches.
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { closeFiles } from "../../linux/uring/direct-files.js";
import { pushCancel, pushCancelAll, pushCancelFile, pushClose, pushResetOnClose } from "../../linux/uring/entries.js";
import { SLOT } from "../slot-state.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { CLOSING, CONNECTING, POLLING, RECEIVING, SENDING, type Slots } from "./slots.js";
import { TAG } from "./tags.js";

/** The next entry follows, whatever comes of this one. */
const THEN = SQE_FLAG.hardlink | SQE_FLAG.skipSuccess;
/** Entries that ending one connection takes at most. */
const ENTRIES = 5;
const RESETS_AT_ONCE = 512;

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

/** Ends all connections of a ring, asking now and then whether to leave the rest to the kernel. */
export function endRing(rings: RingSet, slots: Slots, unit: RingUnit, resets: boolean, isAborted: () => boolean): void {
  const { ring, firstSlot } = unit;
  const files = Math.min(slots.end - firstSlot, rings.filesEach);
  for (let file = 0; resets && file < files; file++) {
    if (slots.state(firstSlot + file) === SLOT.free) continue;
    rings.reserve(unit, 1);
    pushResetOnClose(ring, file, SQE_FLAG.skipSuccess, 0, TAG.ignored);
    if (file % RESETS_AT_ONCE === 0 && isAborted()) return;
  }
  rings.reserve(unit, 1);
  pushCancelAll(ring, 0, TAG.ignored);
  // What was cancelled says so, a queue of completions at a time.
  for (let ready = 1; ready > 0; ) {
    if (ring.enter(0, 0) < 0) break;
    ready = ring.ready;
    ring.advance(ready);
  }
  for (let next = 0; next >= 0 && next < files && !isAborted(); ) next = closeFiles(ring, next, files);
}
