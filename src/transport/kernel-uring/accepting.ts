// Accepts connections into rings without losing any. The worker keeps a batch of single-shot accepts in flight, never
// more than there are free entries in the file tables. A multishot accept would cost no entry per connection, but it
// continues after the table is full, and drops what it takes off the queue. The multishot accept would also always be
// woken first, so that a single thread would accept everything. A new single accept queues up behind those of other
// threads, which spreads the connections.
import { EAGAIN, ECANCELED, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { describeSockaddr, SOCKADDR_SIZE } from "../../linux/syscalls/sockaddr.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushAcceptWithPeer, pushCancel } from "../../linux/uring/entries.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { TAG } from "./tags.js";

/** Size of a sockaddr followed by its length. */
const PEER_BYTES = SOCKADDR_SIZE + 4;
/** A ring is reused when at least 1/WORTH of its file table is free. */
const WORTH = 4;

/** Interface through which the outcomes of accepts are reported. */
export interface AcceptEvents {
  /**
   * Called when a connection was accepted into `slot`.
   * @param place index of the address of the connection's peer
   */
  arrived(slot: number, place: number): void;
  acceptFailed(errno: number, isFull: boolean): void;
}

export class Accepting {
  /** errno of the last accept that failed because resources are exhausted; 0 otherwise. */
  fullErrno = 0;
  private readonly rings: RingSet;
  private readonly listener: number;
  private readonly events: AcceptEvents;
  /** Unused indices for single accepts, and the ring of each accept in flight. */
  private readonly places: number[];
  private readonly units: (RingUnit | undefined)[];
  private readonly peers: NativeBuffer;

  /** @param most maximum number of connections to accept per turn */
  constructor(rings: RingSet, listener: number, most: number, events: AcceptEvents) {
    this.rings = rings;
    this.listener = listener;
    this.events = events;
    this.places = Array.from({ length: most }, (_, n) => most - 1 - n);
    this.units = Array.from({ length: most }, () => undefined);
    this.peers = new NativeBuffer(most * PEER_BYTES);
  }

  /** Submits accepts. */
  begin(): void {
    while (this.places.length > 0) {
      const unit = this.ringWithRoom();
      if (!unit) return;
      this.rings.reserve(unit, 1);
      const place = this.places.pop()!;
      this.units[place] = unit;
      unit.accepting++;
      const at = place * PEER_BYTES;
      this.peers.bytes.writeUInt32LE(SOCKADDR_SIZE, at + SOCKADDR_SIZE);
      const address = this.peers.address + at;
      pushAcceptWithPeer(unit.ring, this.listener, address, address + SOCKADDR_SIZE, place, TAG.accept);
    }
  }

  /** Stops accepting. Connections that have already been accepted will still be reported. */
  end(): void {
    for (let place = 0; place < this.units.length; place++) {
      const unit = this.units[place];
      if (!unit) continue;
      this.rings.reserve(unit, 1);
      pushCancel(unit.ring, place, TAG.accept, SQE_FLAG.skipSuccess, place, TAG.ignored);
    }
  }

  /** Handles the completion of an accept. */
  completed(unit: RingUnit, place: number, result: number): void {
    this.units[place] = undefined;
    unit.accepting--;
    if (result >= 0) {
      unit.used++;
      this.events.arrived(unit.firstSlot + result, place);
      return;
    }
    this.places.push(place);
    this.failed(-result);
  }

  /** Returns the peer address stored at `place`. */
  peerAt(place: number): { ip: string; port: number } {
    return describeSockaddr(this.peers.bytes.subarray(place * PEER_BYTES));
  }

  /** Releases `place` once its address has been read. */
  giveBack(place: number): void {
    this.places.push(place);
  }

  private failed(errno: number): void {
    // The peer gave up while queued, or this accept was cancelled.
    if (errno === EAGAIN || errno === EINTR || errno === ECONNABORTED || errno === ECANCELED) return;
    if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) this.fullErrno = errno;
    else this.events.acceptFailed(errno, false);
  }

  /** Returns the number of files used by neither a connection nor an accept in flight. */
  private roomOf({ used, accepting }: RingUnit): number {
    return this.rings.filesEach - used - accepting;
  }

  /** Returns the ring to accept into: the one that the worker waits in, unless it is full. */
  private ringWithRoom(): RingUnit | undefined {
    const { rings } = this;
    if (this.roomOf(rings.main) > 0) return rings.main;
    let best: RingUnit | undefined;
    let most = 0;
    for (const unit of rings.units) {
      const room = this.roomOf(unit);
      if (room > most) {
        best = unit;
        most = room;
      }
    }
    if (best && most * WORTH >= rings.filesEach) {
      rings.waitIn(best);
      return best;
    }
    const failed = rings.add();
    if (failed === 0) return rings.main;
    // Even a nearly full ring is better than none.
    if (!best) this.fullErrno = -failed;
    return best;
  }
}
