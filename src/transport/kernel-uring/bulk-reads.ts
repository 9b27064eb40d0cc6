// Reads connections that have more data than fits into one of the rings' small buffers. Each turn reads one share of
// all such connections into the worker's memory. Large buffers waiting in every ring would take more memory, and if
// a receive completed after its connection was blocked, its data would need to be stored.
import { MSG_DONTWAIT, MSG_PEEK } from "../../linux/syscalls/constants.js";
import { EAGAIN, ECANCELED } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { pushReceiveAt } from "../../linux/uring/entries.js";
import type { TurnBudget } from "../contract.js";
import { BUFFER_BYTES, type RingSet, type RingUnit } from "./ring-set.js";
import type { Slots } from "./slots.js";
import { kindOf, numberOf, TAG, tagWith } from "./tags.js";

/** Receiver of the data. */
export interface BulkEvents {
  /** See Transport; any event may change these fields. */
  readonly isHeld: boolean;
  readonly peeks: boolean;
  /**
   * @param bits state bits of the connection's slot
   */
  mayReceive(bits: number): boolean;
  /** @param result number of bytes at `offset`, 0 for the peer's FIN, or a negative errno */
  bulkRead(slot: number, isPeeked: boolean, bytes: NativeBuffer, offset: number, result: number): void;
}

export class BulkReads {
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly events: BulkEvents;
  /** Maximum number of bytes per read. */
  readonly readBytes: number;
  private readonly atOnce: number;
  /** Maximum number of reads per connection and turn. */
  private readonly rounds: number;
  /** Connections to read, which have no other receive in flight. */
  private waiting: number[] = [];
  /** Per read of a turn: its result, and the number of its connection. */
  private readonly results: Int32Array;
  private readonly lives: Uint8Array;
  private memory: NativeBuffer | undefined;

  constructor(slots: Slots, rings: RingSet, { readBytes, resumed, connectionBytes }: TurnBudget, events: BulkEvents) {
    this.slots = slots;
    this.rings = rings;
    this.events = events;
    this.readBytes = readBytes;
    this.atOnce = resumed;
    // The previous data filled a small buffer.
    this.rounds = Math.max(1, Math.floor((connectionBytes - BUFFER_BYTES) / readBytes));
    this.results = new Int32Array(resumed);
    this.lives = new Uint8Array(resumed);
  }

  get hasMore(): boolean {
    return this.waiting.length > 0;
  }

  /** Queues a connection that may have more data. */
  add(slot: number): void {
    this.waiting.push(slot);
  }

  /** Gives each connection its share of a turn. */
  read(): void {
    const { events } = this;
    this.memory ??= new NativeBuffer(this.atOnce * this.readBytes);
    for (let round = 0; round < this.rounds && this.waiting.length > 0 && !events.isHeld; round++) {
      this.readOnce(this.memory, events.peeks);
    }
  }

  private readOnce(memory: NativeBuffer, peeks: boolean): void {
    const { slots, rings } = this;
    const chosen = this.waiting.splice(0, this.atOnce);
    for (let index = 0; index < chosen.length; index++) this.push(chosen[index]!, index, peeks);
    for (const unit of rings.units) {
      if (unit.ring.pending > 0) rings.submit(unit);
      this.collect(unit);
    }
    for (let index = 0; index < chosen.length; index++) {
      const slot = chosen[index]!;
      const result = this.results[index]!;
      // An earlier event may have closed this connection.
      if (result === -ECANCELED || slots.life(slot) !== this.lives[index]) continue;
      this.events.bulkRead(slot, peeks, memory, index * this.readBytes, result);
    }
  }

  private push(slot: number, index: number, peeks: boolean): void {
    const { slots, rings, readBytes } = this;
    this.results[index] = -ECANCELED;
    this.lives[index] = slots.life(slot);
    // The connection has ended or been blocked meanwhile. A blocked connection is read again once it can send.
    if (!this.events.mayReceive(slots.get(slot))) return;
    const unit = rings.unitOf(slot);
    const { ring } = unit;
    rings.reserve(unit, 1);
    // The result must be available before read() returns.
    if (ring.hasOverflow || ring.completionRoom <= ring.pending) {
      this.waiting.push(slot);
      return;
    }
    const address = this.memory!.address + index * readBytes;
    const flags = peeks ? MSG_DONTWAIT | MSG_PEEK : MSG_DONTWAIT;
    pushReceiveAt(ring, slot - unit.firstSlot, address, readBytes, flags, slot, tagWith(TAG.readNow, index));
    this.results[index] = -EAGAIN;
  }

  private collect({ ring }: RingUnit): void {
    for (let i = 0; i < ring.ready; i++) {
      const tag = ring.tagAt(i);
      if (kindOf(tag) !== TAG.readNow) continue;
      this.results[numberOf(tag)] = ring.resultAt(i);
      ring.retag(i, TAG.ignored);
    }
  }
}
