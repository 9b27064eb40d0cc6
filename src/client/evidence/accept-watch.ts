// Watches whether the server's program takes what its kernel has ESTABLISHED for it, where the server is on this host. A queue that
// it is still working off is no maximum: so there are two samples at least, some time apart.

import { setTimeout as delay } from "node:timers/promises";
import type { Targets } from "../../planning/targets.js";
import type { Accepting } from "../../results/peer.js";
import { type AcceptCount, countAccepting } from "../../socket-table/listeners/accepting.js";
import { readListeners } from "../../socket-table/listeners/listeners.js";
import type { AddressRange } from "../../util/address-range.js";

/** A server that has accepted nothing for so long, while connections wait, accepts no more. */
const STANDSTILL_MS = 500;
/** One that goes on accepting is waited for a little longer. */
const GRACE_MS = 800;
const POLL_MS = 50;

interface AcceptSample extends AcceptCount {
  readonly atMs: number;
}

export class AcceptWatch {
  readonly #targets: Targets;
  #last: AcceptSample | undefined;

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** A sample during the hold, to be compared with the last one. @returns whether something waits */
  async sample(): Promise<boolean> {
    this.#last = await this.#read(false);
    return this.#last !== undefined && isWaiting(this.#last);
  }

  /**
   * The last sample, or several: until nothing waits, or it is plain that what waits will not be accepted soon.
   *
   * @param lacksEnds the server's end is known to have fewer sockets: some may be in the SYN queue
   * @returns undefined when nothing waits, or the server's end cannot be seen
   */
  async conclude(lacksEnds: boolean): Promise<Accepting | undefined> {
    const startMs = performance.now();
    let now = await this.#read(lacksEnds);
    if (!now) return undefined;
    let movedMs = this.#last?.atMs ?? now.atMs;
    if (this.#last && hasMoved(this.#last, now)) movedMs = now.atMs;
    const isStill = () => now!.atMs - movedMs >= STANDSTILL_MS;
    while (isWaiting(now) && !isStill() && now.atMs - startMs < GRACE_MS) {
      await delay(POLL_MS);
      const next = await this.#read(true);
      if (!next) return undefined;
      if (hasMoved(now, next)) movedMs = next.atMs;
      now = next;
    }
    const { accepted, waiting, synReceived } = now;
    return isWaiting(now) ? { accepted, waiting, synReceived, isMoving: !isStill() } : undefined;
  }

  /** @returns undefined when nothing waits in an accept queue, and nobody says that something is missing */
  async #read(lacksEnds: boolean): Promise<AcceptSample | undefined> {
    const { isLocal, endpoints } = this.#targets;
    if (!isLocal) return undefined;
    try {
      if (!lacksEnds) {
        const listeners = await readListeners({ local: endpoints });
        if (listeners.every(({ acceptQueue }) => acceptQueue.used === 0)) return undefined;
      }
      return { ...(await countAccepting(endpoints, this.#sources())), atMs: performance.now() };
    } catch {
      return undefined;
    }
  }

  /** undefined where the kernel chooses the address. */
  #sources(): readonly AddressRange[] | undefined {
    const sources = this.#targets.plan.groups.flatMap((group) => group.sources);
    return sources.some(({ first }) => first.bytes.every((byte) => byte === 0)) ? undefined : sources;
  }
}

function isWaiting({ waiting, synReceived }: AcceptCount): boolean {
  return waiting + synReceived > 0;
}

function hasMoved(before: AcceptCount, after: AcceptCount): boolean {
  return after.accepted > before.accepted || after.waiting + after.synReceived < before.waiting + before.synReceived;
}
