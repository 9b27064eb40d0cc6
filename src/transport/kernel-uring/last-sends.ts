// Sends the last bytes of connections that are closed gracefully.
import type { RingSet } from "./ring-set.js";
import type { Sends } from "./sends.js";
import { kindOf, numberOf, TAG } from "./tags.js";

/** Maximum time to wait until data accepted by send() has left, and the interval between checks. */
const REST_MS = 250;
const REST_POLL_MS = 10;

/**
 * Flushes data accepted by send() before all connections are closed. A peer that does not read delays this by REST_MS
 * at most.
 */
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
