// The last bytes of connections that end in order.
import type { RingSet } from "./ring-set.js";
import type { Sends } from "./sends.js";
import { kindOf, numberOf, TAG } from "./tags.js";

/** What send() has taken may take so long to leave, and is looked at so often. */
const REST_MS = 250;
const REST_POLL_MS = 10;

/** Lets what send() has taken leave before all connections end. A peer that does not read delays that by REST_MS at most. */
export function sendRest(rings: RingSet, sends: Sends, isAborted: () => boolean): void {
  const untilMs = performance.now() + REST_MS;
  do {
    rings.enter(sends.hasRest ? REST_POLL_MS : 0);
    sends.settle();
    for (const unit of rings.units) {
      const { ring } = unit;
      if (unit !== rings.main) rings.enterOne(unit, 0, 0);
      const count = ring.ready;
      for (let i = 0; i < count; i++) {
        const tag = ring.tagAt(i);
        if (kindOf(tag) === TAG.rest) sends.restEnded(ring.slotAt(i), numberOf(tag), ring.resultAt(i));
      }
      ring.advance(count);
    }
  } while (sends.hasRest && performance.now() < untilMs && !isAborted());
}
