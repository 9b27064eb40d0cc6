// Watches whether a server on this host accepts the connections that its kernel has ESTABLISHED. At least two
// samples are taken some time apart, because a queue that is still being drained does not mean that the server has
// reached its connection limit.

import { setTimeout as delay } from "node:timers/promises";
import type { Targets } from "../../planning/targets.js";
import type { Accepting } from "../../results/peer.js";
import { type AcceptCount, countAccepting } from "../../socket-table/listeners/accepting.js";
import { readListeners } from "../../socket-table/listeners/listeners.js";
import type { AddressRange } from "../../util/address-range.js";

/** A server that accepts nothing for this long while connections are waiting is taken to have stopped accepting. */
const STILL_MS = 500;
/** Extra time allowed for a server that is still accepting. */
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

  /**
   * Takes a sample during the hold, for conclude() to compare with.
   * @returns whether any connection is waiting
   */
  async sample(): Promise<boolean> {
    this.#last = await this.#read(false);
    return this.#last !== undefined && isWaiting(this.#last);
  }

  /**
   * Takes samples until nothing is waiting, or until it is clear that the waiting connections will not be accepted
   * soon.
   *
   * @param lacksEnds whether the server is known to have fewer sockets than the client; the missing ones may be in
   *   the SYN queue
   * @returns undefined if nothing is waiting or the server's sockets are not visible
   */
  async conclude(lacksEnds: boolean): Promise<Accepting | undefined> {
    const startMs = performance.now();
    let now = await this.#read(lacksEnds);
    if (!now) return undefined;
    let movedMs = this.#last?.atMs ?? now.atMs;
    if (this.#last && hasMoved(this.#last, now)) movedMs = now.atMs;
    const isStill = () => now!.atMs - movedMs >= STILL_MS;
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

  /** @returns undefined if the accept queues are empty and no sockets are known to be missing */
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

  /** Returns the source addresses; undefined if the kernel chooses the source address. */
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
