// A worker's connections by slot: a small number that stays the same while a connection lives. A slot's socket is a descriptor of the
// thread's table, or, once that is full, parked where it needs none (parked-sockets.ts). Typed arrays throughout.
import { MSG_PEEK, MSG_TRUNC } from "../../linux/syscalls/constants.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { closeFd, receive, resetFd, resetOnClose, sendBytes } from "../../linux/syscalls/socket.js";
import { FreeSlots } from "./free-slots.js";
import { LARGEST_FILE_TABLE, ParkedSockets } from "./parked-sockets.js";

/** The state of a slot that no connection has. */
const FREE = 0;

export interface ConnectionTableOptions {
  /** Slots to begin with; the table grows. */
  readonly slots: number;
  /** Connections of this state, of the bits in `stateMask`, are in no hurry: these are parked when descriptors run out. */
  readonly parkable: number;
  readonly stateMask: number;
  /** Descriptors in one table (RLIMIT_NOFILE), which bounds a file table too. */
  readonly tableSize: number;
  /** Connections may be parked; otherwise a full descriptor table is full. */
  readonly parks: boolean;
  /** Whether parked connections are to end with RST whenever they are closed. */
  readonly resetsParked: boolean;
  /** Called for each connection that is about to lose its descriptor. */
  readonly onParking?: ((slot: number) => void) | undefined;
}

// One call takes them all: some milliseconds for which no other event is handled.
const PARKED_AT_ONCE = 4096;
// Closings between two looks at whether they are to go on: some milliseconds.
const CLOSED_AT_ONCE = 256;
/** The place of a slot that has no socket (yet). */
const NOWHERE = -(2 ** 31);

export class ConnectionTable {
  /** One more than the highest slot ever used. */
  end = 0;
  private states: Uint8Array;
  /** A slot's descriptor; or, below zero, its place among the parked; or NOWHERE. */
  private places: Int32Array;
  private readonly options: ConnectionTableOptions;
  private readonly parked: ParkedSockets;
  private readonly free = new FreeSlots();
  private readonly parking = new NativeBuffer(PARKED_AT_ONCE * 4);
  private readonly parkingFds: Int32Array;
  private parkCursor = 0;

  constructor(options: ConnectionTableOptions) {
    this.options = options;
    this.states = new Uint8Array(options.slots);
    this.places = new Int32Array(options.slots);
    this.parked = new ParkedSockets(options.parks, options.tableSize);
    const { bytes } = this.parking;
    this.parkingFds = new Int32Array(bytes.buffer, bytes.byteOffset, PARKED_AT_ONCE);
  }

  /** Gives a new descriptor a slot. */
  add(fd: number, state: number): number {
    const slot = this.take(state);
    this.places[slot] = fd;
    return slot;
  }

  /** A slot whose socket is still to come: see setDescriptor(). */
  take(state: number): number {
    const freed = this.free.take();
    const slot = freed >= 0 ? freed : this.end++;
    if (slot >= this.states.length) this.grow(slot);
    this.places[slot] = NOWHERE;
    this.states[slot] = state;
    return slot;
  }

  setDescriptor(slot: number, fd: number): void {
    this.places[slot] = fd;
  }

  state(slot: number): number {
    return this.states[slot]!;
  }

  setState(slot: number, state: number): void {
    this.states[slot] = state;
  }

  /** The slot's descriptor, or a negative number when it has none because it is parked. */
  descriptor(slot: number): number {
    return this.places[slot]!;
  }

  /** Bytes received, 0 at the peer's end, or a negative errno. */
  receive(slot: number, buffer: NativeBuffer): number {
    return this.receiveSome(slot, buffer, buffer.bytes.length, 0);
  }

  /** As receive(), and what is read stays in the receive queue. */
  peek(slot: number, buffer: NativeBuffer): number {
    return this.receiveSome(slot, buffer, buffer.bytes.length, MSG_PEEK);
  }

  /** Takes `length` bytes out of the receive queue unread; they are there. @returns how many, or a negative errno */
  discard(slot: number, buffer: NativeBuffer, length: number): number {
    return this.receiveSome(slot, buffer, length, MSG_TRUNC);
  }

  /** Bytes taken by the kernel, or a negative errno. */
  send(slot: number, buffer: NativeBuffer, offset: number, length: number): number {
    const place = this.places[slot]!;
    return place >= 0 ? sendBytes(place, buffer, offset, length) : this.parked.send(place, buffer, offset, length);
  }

  /** Closes a connection, with RST if `resets`, and frees its slot for the next batch of events. */
  close(slot: number, resets = false): void {
    const place = this.places[slot]!;
    if (place < 0) this.closeParked(place, resets);
    else if (resets) resetFd(place);
    else closeFd(place);
    this.states[slot] = FREE;
    this.free.give(slot);
  }

  /** Lets freed slots be used again: call it when no event is pending that could name one. */
  recycle(): void {
    this.free.recycle();
  }

  /**
   * Moves connections at rest out of the descriptor table, which is full.
   *
   * @returns how many descriptors that freed, 0 when none could be moved
   */
  park(): number {
    const { parked, parkingFds: fds } = this;
    const count = parked.isClosed ? 0 : this.collectParkable();
    if (count === 0 || !parked.makeRoom(count)) return 0;
    const slots = fds.slice(0, count);
    for (let i = 0; i < count; i++) {
      const fd = this.places[slots[i]!]!;
      if (this.options.resetsParked) resetOnClose(fd);
      this.options.onParking?.(slots[i]!);
      fds[i] = fd;
    }
    const first = parked.put(this.parking, count);
    if (first === 0) return 0;
    for (let i = 0; i < count; i++) {
      this.places[slots[i]!] = first - i;
      closeFd(fds[i]!);
    }
    parked.restoreReserve();
    return count;
  }

  /** Closes everything, asking between some hundreds of connections whether to leave the rest to the kernel. */
  closeAll(resets: boolean, isAborted: () => boolean): void {
    for (let slot = 0; slot < this.end; slot++) {
      if (slot % CLOSED_AT_ONCE === 0 && isAborted()) return;
      if (this.states[slot] === FREE) continue;
      const place = this.places[slot]!;
      if (place < 0) {
        if (place !== NOWHERE && resets && !this.options.resetsParked) this.parked.makeReset(place);
      } else if (resets) resetFd(place);
      else closeFd(place);
    }
    this.parked.closeAll(isAborted);
  }

  private receiveSome(slot: number, buffer: NativeBuffer, length: number, flags: number): number {
    const place = this.places[slot]!;
    return place >= 0 ? receive(place, buffer, length, flags) : this.parked.receive(place, buffer, length, flags);
  }

  private closeParked(place: number, resets: boolean): void {
    if (place === NOWHERE) return;
    if (resets && !this.options.resetsParked) this.parked.makeReset(place);
    this.parked.close(place);
  }

  /** Fills parkingFds with the slots, for now, of connections that can be parked. @returns how many */
  private collectParkable(): number {
    const { parkable, stateMask, tableSize } = this.options;
    const wanted = Math.min(PARKED_AT_ONCE, LARGEST_FILE_TABLE, tableSize);
    let count = 0;
    for (let walked = 0; walked < this.end && count < wanted; walked++) {
      const slot = this.parkCursor;
      this.parkCursor = slot + 1 < this.end ? slot + 1 : 0;
      if ((this.states[slot]! & stateMask) === parkable && this.places[slot]! >= 0) this.parkingFds[count++] = slot;
    }
    return count;
  }

  private grow(slot: number): void {
    const length = Math.max(slot + 1, this.states.length * 2);
    const states = new Uint8Array(length);
    const places = new Int32Array(length);
    states.set(this.states);
    places.set(this.places);
    this.states = states;
    this.places = places;
  }
}
