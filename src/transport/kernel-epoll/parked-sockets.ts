// Keeps idle sockets that were moved out of a full descriptor table into the registered files of io_urings, where they
// need no descriptors (linux/uring/registered-files.ts). A place is a negative number that identifies a parked socket:
// -1 - (file table × LARGEST + entry).
import { EMFILE, ENFILE } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { closeFd, openUdp } from "../../linux/syscalls/socket.js";
import { RegisteredFiles } from "../../linux/uring/registered-files.js";

/** Maximum number of entries in one file table. */
export const LARGEST_FILE_TABLE = 16384;

export class ParkedSockets {
  /** True if no more sockets can be parked, because parking is disabled or io_uring is unavailable. */
  isClosed: boolean;
  private readonly capacity: number;
  /** File tables by number. A table is released when its last connection ends, and its number is reused. */
  private readonly registeredFiles: (RegisteredFiles | undefined)[] = [];
  private newest = -1;
  /**
   * Spare descriptor, released when a full descriptor table needs a new file table, which takes a descriptor itself.
   */
  private reserve = openUdp(4);

  /**
   * @param parks whether sockets may be parked at all
   * @param tableSize maximum number of descriptors in one table (RLIMIT_NOFILE), which also limits the size of a file
   *   table
   */
  constructor(parks: boolean, tableSize: number) {
    this.isClosed = !parks;
    this.capacity = Math.min(LARGEST_FILE_TABLE, tableSize);
  }

  /**
   * Returns whether the newest file table, or a new one, has room for `count` sockets. The caller must then call put().
   */
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

  /**
   * Registers `count` descriptors, which the caller then closes.
   * @returns the first socket's place, with the others following in descending order; 0 on failure
   */
  put(fds: NativeBuffer, count: number): number {
    const first = this.registeredFiles[this.newest]!.put(fds, count);
    return first < 0 ? 0 : -1 - (this.newest * LARGEST_FILE_TABLE + first);
  }

  /** Reopens the spare descriptor once descriptors are available again. */
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

  /** Closes all sockets, checking periodically whether to leave the rest to the kernel. */
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
