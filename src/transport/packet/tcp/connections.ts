// The connections of a worker in typed arrays: 12 bytes each while idle. While a connection has unacknowledged or
// unread bytes, or a timer, a record (records.ts) holds the additional state that it needs.
import { discard } from "../../../linux/syscalls/pages.js";
import { FreeSlots } from "../../kernel-epoll/free-slots.js";

/** States of RFC 9293. `closed` marks an unused entry. */
export const TCP = {
  closed: 0,
  synSent: 1,
  synReceived: 2,
  established: 3,
  closeWait: 4,
  finWait1: 5,
  finWait2: 6,
  closing: 7,
  lastAck: 8,
  timeWait: 9,
} as const;

/** Bits of a connection's flags, in addition to the state and the shift of the peer's windows. */
export const STATE = 0xf;
export const SHIFT_OFFSET = 4;
export const SHIFT = 0xf << SHIFT_OFFSET;
/** The connection has a record; `sndNxt` contains its number. */
export const RECORD = 1 << 8;
/** The role has marked the connection as idle. */
export const RESTING = 1 << 9;
/** send() accepted less than it was given; the role waits for sent(). */
export const BLOCKED = 1 << 10;
/** An ACK is due; data sent in this turn may carry it. */
export const ACK_DUE = 1 << 11;
/** The peer has sent a FIN that has not been reported to the role yet. */
export const FIN_UNTOLD = 1 << 12;
/** The connection has been accepted by this stack, but not yet by the role. */
export const UNACCEPTED = 1 << 13;
/** The peer supports window scaling, so this side may scale its windows. */
export const SCALES = 1 << 14;
/** An ACK waits for data that carries it, or for a second segment. */
export const ACK_DELAYED = 1 << 15;

/**
 * Connections by number. Numbers from 0 up are the role's slots. Those from `orphanBase` are connections that the role
 * has closed and that are still being ended.
 */
export class Connections {
  /** Highest slot ever used, plus one. */
  end = 0;
  orphanBase: number;
  /** Number of orphans. */
  orphans = 0;
  flags: Uint16Array;
  /** RCV.NXT. */
  rcvNxt: Uint32Array;
  /** SND.NXT, or the number of the record. */
  sndNxt: Uint32Array;
  /** SND.WND, not shifted. */
  window: Uint16Array;
  /** Largest segment that the peer takes; 0 if that is no limit. Empty until a peer takes less than usual. */
  private mss = new Uint16Array(0);
  private readonly freeSlots = new FreeSlots();
  private readonly freeOrphans: number[] = [];
  private orphanEnd: number;
  /** Called when an orphan's number changes, before its state is copied. */
  onMove: (from: number, to: number) => void = () => undefined;

  /** @param slots expected number of slots; more are added on demand */
  constructor(slots: number) {
    this.orphanBase = slots;
    this.orphanEnd = slots;
    this.flags = new Uint16Array(slots);
    this.rcvNxt = new Uint32Array(slots);
    this.sndNxt = new Uint32Array(slots);
    this.window = new Uint16Array(slots);
  }

  state(id: number): number {
    return this.flags[id]! & STATE;
  }

  setState(id: number, state: number): void {
    this.flags[id] = (this.flags[id]! & ~STATE) | state;
  }

  add(id: number, bits: number): void {
    this.flags[id]! |= bits;
  }

  remove(id: number, bits: number): void {
    this.flags[id]! &= ~bits;
  }

  has(id: number, bits: number): boolean {
    return (this.flags[id]! & bits) !== 0;
  }

  isOrphan(id: number): boolean {
    return id >= this.orphanBase;
  }

  /** Returns the peer's window in bytes. */
  windowOf(id: number): number {
    return this.window[id]! << ((this.flags[id]! & SHIFT) >>> SHIFT_OFFSET);
  }

  /** Returns the size of a connection's segments. @param most for a peer that takes any size */
  mssOf(id: number, most: number): number {
    const mss = this.mss.length === 0 ? 0 : this.mss[id]!;
    return mss !== 0 && mss < most ? mss : most;
  }

  /** Notes the largest segment that a peer takes. @param usual size of which nothing is noted */
  setMss(id: number, mss: number, usual: number): void {
    if (this.mss.length === 0) {
      if (mss >= usual) return;
      this.mss = new Uint16Array(this.flags.length);
    }
    this.mss[id] = mss;
  }

  /** Allocates a slot. */
  take(): number {
    const freed = this.freeSlots.take();
    const slot = freed >= 0 ? freed : this.end++;
    if (slot >= this.orphanBase) this.raiseOrphans();
    return slot;
  }

  /** Frees a slot. The number becomes available after the next recycle(). */
  give(slot: number): void {
    this.clear(slot);
    this.freeSlots.give(slot);
  }

  /** Marks a connection's entry as unused, without freeing its number. */
  clear(id: number): void {
    this.flags[id] = TCP.closed;
  }

  recycle(): void {
    this.freeSlots.recycle();
  }

  /**
   * Turns a slot's connection into an orphan, which the role no longer sees. The caller frees the slot.
   * @returns its new number
   */
  orphan(slot: number): number {
    const id = this.freeOrphans.pop() ?? this.orphanEnd++;
    if (id >= this.flags.length) this.grow(Math.max(id + 1, this.orphanBase + (id + 1 - this.orphanBase) * 2));
    this.orphans++;
    this.copy(slot, id);
    return id;
  }

  giveOrphan(id: number): void {
    this.clear(id);
    this.orphans--;
    this.freeOrphans.push(id);
  }

  /** One past the last orphan's number. */
  get orphanLimit(): number {
    return this.orphanEnd;
  }

  private copy(from: number, to: number): void {
    this.flags[to] = this.flags[from]!;
    this.rcvNxt[to] = this.rcvNxt[from]!;
    this.sndNxt[to] = this.sndNxt[from]!;
    this.window[to] = this.window[from]!;
    if (this.mss.length > 0) this.mss[to] = this.mss[from]!;
  }

  /** At least doubles the number of slots, which moves the orphans up. */
  private raiseOrphans(): void {
    const by = Math.max(64, this.orphanBase);
    this.grow(this.flags.length + by);
    for (let id = this.orphanEnd - 1; id >= this.orphanBase; id--) {
      if (this.flags[id] !== TCP.closed) this.onMove(id, id + by);
      this.copy(id, id + by);
      this.clear(id);
    }
    for (let n = 0; n < this.freeOrphans.length; n++) this.freeOrphans[n]! += by;
    this.orphanBase += by;
    this.orphanEnd += by;
  }

  private grow(length: number): void {
    this.flags = grown(this.flags, new Uint16Array(length));
    this.rcvNxt = grown(this.rcvNxt, new Uint32Array(length));
    this.sndNxt = grown(this.sndNxt, new Uint32Array(length));
    this.window = grown(this.window, new Uint16Array(length));
    if (this.mss.length > 0) this.mss = grown(this.mss, new Uint16Array(length));
  }
}

/** Copies an array into a longer array, and discards it. */
export function grown<T extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  discard(from);
  return to;
}
