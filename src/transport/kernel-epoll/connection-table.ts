// A worker's connections, indexed by slot, a small integer that is stable for a connection's lifetime. A slot's socket
// is either a descriptor in the thread's table or, once that table is full, parked without a descriptor
// (parked-sockets.ts). All state is in typed arrays.
import { MSG_PEEK, MSG_TRUNC } from "../../linux/syscalls/constants.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { closeFd, receive, resetFd, resetOnClose, sendBytes } from "../../linux/syscalls/socket.js";
import { FreeSlots } from "./free-slots.js";
import { LARGEST_FILE_TABLE, ParkedSockets } from "./parked-sockets.js";

/** The state of an unused slot. */
const FREE = 0;

export interface ConnectionTableOptions {
  /** Initial number of slots; the table grows on demand. */
  readonly slots: number;
  /** The state, masked with `stateMask`, of idle connections that may be parked when descriptors run out. */
  readonly parkable: number;
  readonly stateMask: number;
  /** Maximum number of descriptors in one table (RLIMIT_NOFILE), which also limits the size of a file table. */
  readonly tableSize: number;
  /** Whether connections may be parked. If connections are never parked, the descriptor table limits their number. */
  readonly parks: boolean;
  /** Whether parked connections are always closed with an RST. */
  readonly resetsParked: boolean;
  /** Called for each connection before its descriptor is closed. */
  readonly onParking?: ((slot: number) => void) | undefined;
}

// Maximum number of connections parked by one call, which blocks event handling for a few milliseconds.
const PARKED_AT_ONCE = 4096;
// Number of connections closed between abort checks. Closing that many takes a few milliseconds.
const CLOSED_AT_ONCE = 256;
/** The place of a slot without a socket. */
const NOWHERE = -(2 ** 31);

export class ConnectionTable {
  /** Highest slot ever used, plus one. */
  end = 0;
  /** Number of slots in use. */
  count = 0;
  private states: Uint8Array;
  /** Per slot: the descriptor, a negative place among the parked sockets, or NOWHERE. */
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

  /** Allocates a slot for a new descriptor. */
  add(fd: number, state: number): number {
    const slot = this.take(state);
    this.places[slot] = fd;
    return slot;
  }

  /** Allocates a slot without a socket; see setDescriptor(). */
  take(state: number): number {
    const freed = this.free.take();
    const slot = freed >= 0 ? freed : this.end++;
    if (slot >= this.states.length) this.grow(slot);
    this.retake(slot, state);
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

  /** Returns the slot's descriptor, or a negative number if it has none because it is parked. */
  descriptor(slot: number): number {
    return this.places[slot]!;
  }

  /** Returns the number of bytes received, 0 at end of file, or a negative errno. */
  receive(slot: number, buffer: NativeBuffer): number {
    return this.receiveSome(slot, buffer, buffer.bytes.length, 0);
  }

  /** Like receive(), but leaves the data in the receive queue. */
  peek(slot: number, buffer: NativeBuffer): number {
    return this.receiveSome(slot, buffer, buffer.bytes.length, MSG_PEEK);
  }

  /**
   * Discards `length` bytes that are in the receive queue.
   * @returns number of bytes, or a negative errno
   */
  discard(slot: number, buffer: NativeBuffer, length: number): number {
    return this.receiveSome(slot, buffer, length, MSG_TRUNC);
  }

  /** Returns the number of bytes that the kernel accepted, or a negative errno. */
  send(slot: number, buffer: NativeBuffer, offset: number, length: number): number {
    const place = this.places[slot]!;
    return place >= 0 ? sendBytes(place, buffer, offset, length) : this.parked.send(place, buffer, offset, length);
  }

  /** Closes a connection, with an RST if `resets`. The slot can be reused after the next recycle(). */
  close(slot: number, resets = false): void {
    this.vacate(slot, resets);
    this.free.give(slot);
  }

  /** Like close(), but take() does not return the slot. */
  vacate(slot: number, resets: boolean): void {
    const place = this.places[slot]!;
    if (place < 0) this.closeParked(place, resets);
    else if (resets) resetFd(place);
    else closeFd(place);
    this.states[slot] = FREE;
    this.count--;
  }

  /** Occupies a vacated slot, still without a socket. */
  retake(slot: number, state: number): void {
    this.places[slot] = NOWHERE;
    this.states[slot] = state;
    this.count++;
  }

  /** Makes freed slots available. Call this only when no pending event can refer to them. */
  recycle(): void {
    this.free.recycle();
  }

  /**
   * Moves idle connections out of the full descriptor table.
   *
   * @returns number of descriptors freed; 0 if none could be moved
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

  /** Closes everything, checking every few hundred connections whether to leave the rest to the kernel. */
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

  /**
   * Temporarily fills parkingFds with the slots of connections that can be parked.
   * @returns number of slots
   */
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
