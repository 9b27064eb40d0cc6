// A shard's connections by slot: a small number that stays the same while a connection lives. A slot's socket is a
// descriptor of the thread's table, or, once that is full, an entry of a file table (see linux/syscalls/registered-files.ts), where
// it needs none. Typed arrays throughout; what the states mean is for the role to say.
import { MSG_PEEK, MSG_TRUNC } from "../linux/syscalls/constants.js";
import { EMFILE, ENFILE } from "../linux/syscalls/errno.js";
import { NativeBuffer } from "../linux/syscalls/libc.js";
import { FileTable } from "../linux/syscalls/registered-files.js";
import { closeFd, openUdp, receive, resetFd, resetOnClose, sendBytes } from "../linux/syscalls/socket.js";
import { FreeSlots } from "./free-slots.js";

/** The state of a slot that no connection has. */
export const FREE = 0;

export interface ConnectionTableOptions {
  /** Slots to begin with; the table grows. */
  readonly slots: number;
  /** The role's state of connections that are in no hurry: these are parked when descriptors run out. */
  readonly parkable: number;
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
const LARGEST_FILE_TABLE = 16384;
// Closings between two looks at whether they are to go on: some milliseconds.
const CLOSED_AT_ONCE = 256;

export class ConnectionTable {
  /** One more than the highest slot ever used. */
  end = 0;
  private states: Uint8Array;
  /** A slot's descriptor; or, below zero, -1 - (its file table × LARGEST_FILE_TABLE + its entry). */
  private places: Int32Array;
  private readonly options: ConnectionTableOptions;
  /** By number; a table whose last connection has ended is given back, and its number is used again. */
  private readonly fileTables: (FileTable | undefined)[] = [];
  private newest = -1;
  /** Kept for the moment when the table is full and a file table, which needs a descriptor itself, is to be made. */
  private reserve = -1;
  private readonly free = new FreeSlots();
  private readonly parking = new NativeBuffer(PARKED_AT_ONCE * 4);
  private readonly parkingFds: Int32Array;
  private parkCursor = 0;
  private canPark: boolean;

  constructor(options: ConnectionTableOptions) {
    this.options = options;
    this.canPark = options.parks;
    this.states = new Uint8Array(options.slots);
    this.places = new Int32Array(options.slots);
    this.reserve = openUdp(4);
    const { bytes } = this.parking;
    this.parkingFds = new Int32Array(bytes.buffer, bytes.byteOffset, PARKED_AT_ONCE);
  }

  /** Gives a new descriptor a slot. */
  add(fd: number, state: number): number {
    const freed = this.free.take();
    const slot = freed >= 0 ? freed : this.end++;
    if (slot >= this.states.length) this.grow(slot);
    this.places[slot] = fd;
    this.states[slot] = state;
    return slot;
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
    if (place >= 0) return sendBytes(place, buffer, offset, length);
    return this.fileTable(place).sendBytes(entryOf(place), buffer, offset, length);
  }

  /** Closes a connection, with RST if `resets`, and frees its slot for the next batch of events. */
  close(slot: number, resets = false): void {
    this.closePlace(this.places[slot]!, resets);
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
    const count = this.canPark ? this.collectParkable() : 0;
    if (count === 0) return 0;
    const table = this.tableFor(count);
    if (table === undefined) return 0;
    const fds = this.parkingFds;
    const slots = fds.slice(0, count);
    for (let i = 0; i < count; i++) {
      const fd = this.places[slots[i]!]!;
      if (this.options.resetsParked) resetOnClose(fd);
      this.options.onParking?.(slots[i]!);
      fds[i] = fd;
    }
    const first = table.put(this.parking, count);
    if (first < 0) return 0;
    const base = this.newest * LARGEST_FILE_TABLE + first;
    for (let i = 0; i < count; i++) {
      this.places[slots[i]!] = -1 - (base + i);
      closeFd(fds[i]!);
    }
    if (this.reserve < 0) this.reserve = openUdp(4);
    return count;
  }

  /** Closes everything, asking between some hundreds of connections whether to leave the rest to the kernel. */
  closeAll(resets: boolean, isAborted: () => boolean): void {
    for (let slot = 0; slot < this.end; slot++) {
      if (slot % CLOSED_AT_ONCE === 0 && isAborted()) return;
      if (this.states[slot] === FREE) continue;
      const place = this.places[slot]!;
      if (place >= 0) this.closePlace(place, resets);
      else if (resets && !this.options.resetsParked) this.fileTable(place).makeReset(entryOf(place));
    }
    for (const table of this.fileTables) {
      for (let next = 0; table && next < table.filled; ) {
        next = table.removeSome(next);
        if (isAborted()) return;
      }
      table?.close();
    }
    closeFd(this.reserve);
  }

  private receiveSome(slot: number, buffer: NativeBuffer, length: number, flags: number): number {
    const place = this.places[slot]!;
    if (place >= 0) return receive(place, buffer, length, flags);
    return this.fileTable(place).receive(entryOf(place), buffer, length, flags);
  }

  private closePlace(place: number, resets: boolean): void {
    if (place >= 0) {
      resets ? resetFd(place) : closeFd(place);
      return;
    }
    const table = this.fileTable(place);
    if (resets && !this.options.resetsParked) table.makeReset(entryOf(place));
    table.remove(entryOf(place));
    if (table.inUse > 0) return;
    const number = tableOf(place);
    if (number === this.newest) this.newest = -1;
    this.fileTables[number] = undefined;
    table.close();
  }

  /** Fills parkingFds with the slots, for now, of connections that can be parked. @returns how many */
  private collectParkable(): number {
    const wanted = Math.min(PARKED_AT_ONCE, LARGEST_FILE_TABLE, this.options.tableSize);
    let count = 0;
    for (let walked = 0; walked < this.end && count < wanted; walked++) {
      const slot = this.parkCursor;
      this.parkCursor = slot + 1 < this.end ? slot + 1 : 0;
      if (this.states[slot] === this.options.parkable && this.places[slot]! >= 0) this.parkingFds[count++] = slot;
    }
    return count;
  }

  /** The newest file table if it has room for `count`, else a new one; undefined where io_uring is not to be had. */
  private tableFor(count: number): FileTable | undefined {
    const newest = this.fileTables[this.newest];
    if (newest && newest.room >= count) return newest;
    closeFd(this.reserve);
    this.reserve = -1;
    const table = FileTable.open(Math.min(LARGEST_FILE_TABLE, this.options.tableSize));
    if (typeof table === "number") {
      this.canPark = table === -EMFILE || table === -ENFILE;
      return undefined;
    }
    const hole = this.fileTables.indexOf(undefined);
    this.newest = hole >= 0 ? hole : this.fileTables.length;
    this.fileTables[this.newest] = table;
    return table;
  }

  private fileTable(place: number): FileTable {
    return this.fileTables[tableOf(place)]!;
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

function tableOf(place: number): number {
  return Math.floor((-1 - place) / LARGEST_FILE_TABLE);
}

function entryOf(place: number): number {
  return (-1 - place) % LARGEST_FILE_TABLE;
}
