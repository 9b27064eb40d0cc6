// Sockets at rest that a full descriptor table has no room for: they are put into the registered files of io_urings, where they need
// none (see linux/uring/registered-files.ts). A PLACE, below zero, says where: -1 - (file table × LARGEST + entry).
import { EMFILE, ENFILE } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { closeFd, openUdp } from "../../linux/syscalls/socket.js";
import { RegisteredFiles } from "../../linux/uring/registered-files.js";

/** Entries of one file table, at most. */
export const LARGEST_FILE_TABLE = 16384;

export class ParkedSockets {
  /** No further sockets can be parked: io_uring is not to be had, or that was not wanted. */
  isClosed: boolean;
  private readonly capacity: number;
  /** By number; a table whose last connection has ended is given back, and its number is used again. */
  private readonly registeredFiles: (RegisteredFiles | undefined)[] = [];
  private newest = -1;
  /** Kept for the moment when the table is full and a file table, which needs a descriptor itself, is to be made. */
  private reserve = openUdp(4);

  /**
   * @param parks whether sockets may be parked at all
   * @param tableSize descriptors in one table (RLIMIT_NOFILE), which bounds a file table too
   */
  constructor(parks: boolean, tableSize: number) {
    this.isClosed = !parks;
    this.capacity = Math.min(LARGEST_FILE_TABLE, tableSize);
  }

  /** Whether the newest file table, or one made now, has room for `count`. put() is then what comes next. */
  makeRoom(count: number): boolean {
    const newest = this.registeredFiles[this.newest];
    if (newest && newest.room >= count) return true;
    closeFd(this.reserve);
    this.reserve = -1;
    const table = RegisteredFiles.open(this.capacity);
    if (typeof table === "number") {
      this.isClosed = table !== -EMFILE && table !== -ENFILE;
      return false;
    }
    const hole = this.registeredFiles.indexOf(undefined);
    this.newest = hole >= 0 ? hole : this.registeredFiles.length;
    this.registeredFiles[this.newest] = table;
    return true;
  }

  /** Takes `count` descriptors in, which the caller then closes. @returns the first one's place, the others follow downwards; 0 for none */
  put(fds: NativeBuffer, count: number): number {
    const first = this.registeredFiles[this.newest]!.put(fds, count);
    return first < 0 ? 0 : -1 - (this.newest * LARGEST_FILE_TABLE + first);
  }

  /** Descriptors have become free: one of them is kept back again. */
  restoreReserve(): void {
    if (this.reserve < 0) this.reserve = openUdp(4);
  }

  receive(place: number, buffer: NativeBuffer, length: number, flags: number): number {
    return this.tableOf(place).receive(entryOf(place), buffer, length, flags);
  }

  send(place: number, buffer: NativeBuffer, offset: number, length: number): number {
    return this.tableOf(place).sendBytes(entryOf(place), buffer, offset, length);
  }

  makeReset(place: number): void {
    this.tableOf(place).makeReset(entryOf(place));
  }

  close(place: number): void {
    const number = numberOf(place);
    const table = this.registeredFiles[number]!;
    table.remove(entryOf(place));
    if (table.inUse > 0) return;
    if (number === this.newest) this.newest = -1;
    this.registeredFiles[number] = undefined;
    table.close();
  }

  /** Closes all, asking now and then whether to leave the rest to the kernel. */
  closeAll(isAborted: () => boolean): void {
    for (const table of this.registeredFiles) {
      for (let next = 0; table && next < table.filled; ) {
        next = table.removeSome(next);
        if (isAborted()) return;
      }
      table?.close();
    }
    closeFd(this.reserve);
  }

  private tableOf(place: number): RegisteredFiles {
    return this.registeredFiles[numberOf(place)]!;
  }
}

function numberOf(place: number): number {
  return Math.floor((-1 - place) / LARGEST_FILE_TABLE);
}

function entryOf(place: number): number {
  return (-1 - place) % LARGEST_FILE_TABLE;
}
