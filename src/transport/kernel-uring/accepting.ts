// Accepts connections into rings without losing any. A multishot accept is cheapest, but it continues after the ring's
// file table is full, taking connections off the queue and dropping them. The last entries of a table are therefore
// filled by single accepts, never more than there are free entries. Single accepts also return the peer's address.
import { EAGAIN, ECANCELED, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { describeSockaddr, SOCKADDR_SIZE } from "../../linux/syscalls/sockaddr.js";
import { CQE_FLAG, SQE_FLAG } from "../../linux/uring/abi.js";
import { pushAccept, pushAcceptWithPeer, pushCancel } from "../../linux/uring/entries.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { COMPLETIONS } from "./ring-size.js";
import { TAG } from "./tags.js";

/** Size of a sockaddr followed by its length. */
const PEER_BYTES = SOCKADDR_SIZE + 4;
/**
 * Free files required for a multishot accept. One enter can bring a full queue of completions, and a turn enters up to
 * twice.
 */
const MULTISHOT_ROOM = 2 * COMPLETIONS;
/** A ring is reused when at least 1/WORTH of its file table is free. */
const WORTH = 4;
const NO_PLACE = -1;

/** Events of accepts. */
export interface AcceptEvents {
  /** A connection was accepted into `slot`. @param place index of its peer's address; -1 if unknown */
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
  /** Ring with the multishot accept. */
  private many: RingUnit | undefined;
  private isEndingMany = false;

  /** @param most maximum number of accepts per turn */
  constructor(rings: RingSet, listener: number, most: number, events: AcceptEvents) {
    this.rings = rings;
    this.listener = listener;
    this.events = events;
    this.places = Array.from({ length: most }, (_, n) => most - 1 - n);
    this.units = Array.from({ length: most }, () => undefined);
    this.peers = new NativeBuffer(most * PEER_BYTES);
  }

  /** Submits accepts. @param namesPeers whether peer addresses are needed */
  begin(namesPeers: boolean): void {
    const unit = this.ringWithRoom();
    if (!unit) return;
    if (!namesPeers && this.roomOf(unit) > MULTISHOT_ROOM) {
      if (this.many === undefined) this.acceptMany(unit);
      return;
    }
    this.endMany();
    if (this.many === undefined) this.acceptSingly();
  }

  /** Stops accepting. Connections that have already been accepted are still reported. */
  end(): void {
    this.endMany();
    for (let place = 0; place < this.units.length; place++) {
      const unit = this.units[place];
      if (!unit) continue;
      this.rings.reserve(unit, 1);
      pushCancel(unit.ring, place, TAG.accept, SQE_FLAG.skipSuccess, place, TAG.ignored);
    }
  }

  /** Handles the completion of an accept. @param tag TAG.accept or TAG.acceptMany */
  completed(unit: RingUnit, place: number, tag: number, result: number, flags: number): void {
    if (tag === TAG.accept) this.units[place] = undefined;
    else if ((flags & CQE_FLAG.more) === 0) {
      this.many = undefined;
      this.isEndingMany = false;
    }
    if (result >= 0) {
      unit.used++;
      this.events.arrived(unit.firstSlot + result, tag === TAG.accept ? place : NO_PLACE);
      return;
    }
    if (tag === TAG.accept) this.places.push(place);
    this.failed(-result);
  }

  /** Returns the peer address stored at `place`. */
  peerAt(place: number): { ip: string; port: number } {
    return describeSockaddr(this.peers.bytes.subarray(place * PEER_BYTES));
  }

  /** Releases `place` once its address has been read. */
  giveBack(place: number): void {
    if (place !== NO_PLACE) this.places.push(place);
  }

  private failed(errno: number): void {
    // The peer gave up while queued, or this accept was cancelled.
    if (errno === EAGAIN || errno === EINTR || errno === ECONNABORTED || errno === ECANCELED) return;
    if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) this.fullErrno = errno;
    else this.events.acceptFailed(errno, false);
  }

  /** Returns the number of files used by neither a connection nor an accept in flight. */
  private roomOf(unit: RingUnit): number {
    let room = this.rings.filesEach - unit.used;
    for (const other of this.units) if (other === unit) room--;
    return room;
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
    // A nearly full ring is better than none.
    if (!best) this.fullErrno = -failed;
    return best;
  }

  private acceptMany(unit: RingUnit): void {
    this.rings.reserve(unit, 1);
    this.many = unit;
    pushAccept(unit.ring, this.listener, true, NO_PLACE, TAG.acceptMany);
  }

  private endMany(): void {
    const unit = this.many;
    if (!unit || this.isEndingMany) return;
    this.isEndingMany = true;
    this.rings.reserve(unit, 1);
    pushCancel(unit.ring, NO_PLACE, TAG.acceptMany, SQE_FLAG.skipSuccess, NO_PLACE, TAG.ignored);
  }

  private acceptSingly(): void {
    while (this.places.length > 0) {
      const unit = this.ringWithRoom();
      if (!unit) return;
      this.rings.reserve(unit, 1);
      const place = this.places.pop()!;
      this.units[place] = unit;
      const at = place * PEER_BYTES;
      this.peers.bytes.writeUInt32LE(SOCKADDR_SIZE, at + SOCKADDR_SIZE);
      const address = this.peers.address + at;
      pushAcceptWithPeer(unit.ring, this.listener, address, address + SOCKADDR_SIZE, place, TAG.accept);
    }
  }
}
