// Accepting into rings without losing a connection. A multishot accept costs least, but goes on past the end of its ring's table, where it
// takes connections off the queue and drops them: so the last places of a table are filled by single accepts, no more than there are
// places. Single ones also bring the peer's address.
import { EAGAIN, ECANCELED, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { describeSockaddr, SOCKADDR_SIZE } from "../../linux/syscalls/sockaddr.js";
import { CQE_FLAG, SQE_FLAG } from "../../linux/uring/abi.js";
import { pushAccept, pushAcceptWithPeer, pushCancel } from "../../linux/uring/entries.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { COMPLETIONS } from "./ring-size.js";
import { TAG } from "./tags.js";

/** A sockaddr, and its length behind it. */
const PEER_BYTES = SOCKADDR_SIZE + 4;
/** A multishot accept brings a queue full of completions by each enter: a turn has one enter or two. */
const MULTISHOT_ROOM = 2 * COMPLETIONS;
/** A ring that has so much of its table free, as a part of it, is worth going back to. */
const WORTH = 4;
const NO_PLACE = -1;

/** What is told of accepts. */
export interface AcceptEvents {
  /** A connection is in `slot`. @param place of its peer's address; -1 where it is not known */
  arrived(slot: number, place: number): void;
  acceptFailed(errno: number, isFull: boolean): void;
}

export class Accepting {
  /** Why the last accept could not be had: nothing is left to accept with; 0 otherwise. */
  fullErrno = 0;
  private readonly rings: RingSet;
  private readonly listener: number;
  private readonly events: AcceptEvents;
  /** Places of single accepts that nobody has, and the ring of each one that is under way. */
  private readonly places: number[];
  private readonly units: (RingUnit | undefined)[];
  private readonly peers: NativeBuffer;
  /** The ring with the multishot accept. */
  private many: RingUnit | undefined;
  private isEndingMany = false;

  /** @param most accepts a turn */
  constructor(rings: RingSet, listener: number, most: number, events: AcceptEvents) {
    this.rings = rings;
    this.listener = listener;
    this.events = events;
    this.places = Array.from({ length: most }, (_, n) => most - 1 - n);
    this.units = Array.from({ length: most }, () => undefined);
    this.peers = new NativeBuffer(most * PEER_BYTES);
  }

  /** Asks for connections. @param namesPeers with their addresses */
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

  /** Accepts no more. Connections that have arrived by then are told of. */
  end(): void {
    this.endMany();
    for (let place = 0; place < this.units.length; place++) {
      const unit = this.units[place];
      if (!unit) continue;
      this.rings.reserve(unit, 1);
      pushCancel(unit.ring, place, TAG.accept, SQE_FLAG.skipSuccess, place, TAG.ignored);
    }
  }

  /** One of a ring's accepts has completed. @param tag TAG.accept or TAG.acceptMany */
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

  /** The peer whose address came to `place`. */
  peerAt(place: number): { ip: string; port: number } {
    return describeSockaddr(this.peers.bytes.subarray(place * PEER_BYTES));
  }

  /** The address in `place` was read. */
  giveBack(place: number): void {
    if (place !== NO_PLACE) this.places.push(place);
  }

  private failed(errno: number): void {
    // The peer gave up while it waited, or this accept was given up.
    if (errno === EAGAIN || errno === EINTR || errno === ECONNABORTED || errno === ECANCELED) return;
    if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) this.fullErrno = errno;
    else this.events.acceptFailed(errno, false);
  }

  /** Files that neither a connection has nor an accept that is under way. */
  private roomOf(unit: RingUnit): number {
    let room = this.rings.filesEach - unit.used;
    for (const other of this.units) if (other === unit) room--;
    return room;
  }

  /** The ring to accept in: the one that the worker waits in, unless it is full. */
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
    // Any place is better than none.
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
