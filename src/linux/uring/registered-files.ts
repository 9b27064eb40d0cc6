// Uses the registered files of an io_uring (io_uring_register(2)) as a second descriptor table. A registered socket
// stays open and in its epoll set after its descriptor is closed, so it no longer counts towards the thread's
// RLIMIT_NOFILE. Calls on such a socket go through the ring, one at a time and without blocking. epoll still reports
// readiness.

import { MSG_DONTWAIT, MSG_NOSIGNAL, SO_LINGER, SOL_SOCKET } from "../syscalls/constants.js";
import { EIO } from "../syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { lingerZero } from "../syscalls/socket.js";
import {
  CMD_SETSOCKOPT,
  CQE,
  ENTER,
  FILES_UPDATE,
  OFFSET_SQES,
  OP,
  PARAMS,
  REGISTER,
  SQE,
  SQE_FLAG,
  SYS_IO_URING,
} from "./abi.js";
import { NativeMemory, writeAddress } from "./native-memory.js";

const RING_ENTRIES = 4;
/** Number of files removed per call. Removing more files would delay a thread that is told to stop. */
const REMOVED_AT_ONCE = 512;

const noFiles = NativeBuffer.from(new Uint8Array(new Int32Array(REMOVED_AT_ONCE).fill(-1).buffer));

/**
 * Holds up to `capacity` sockets without descriptors. The methods return the system call's result or a negative errno.
 */
export class RegisteredFiles {
  readonly capacity: number;
  /** Number of entries filled, starting at 0. Closed entries are not reused. */
  filled = 0;
  /** Number of filled entries that are still open. */
  inUse = 0;
  private readonly ring: number;
  private readonly update = new NativeBuffer(FILES_UPDATE.bytes);
  private readonly memory = new NativeMemory();
  private entry: Int32Array = new Int32Array(0);
  private queue: Int32Array = new Int32Array(0);
  private words = { sqTail: 0, cqHead: 0, cqes: 0, cqMask: 0 };

  /** @returns a negative errno if io_uring is forbidden, missing or too old, or the system is out of memory */
  static open(capacity: number): RegisteredFiles | number {
    const params = new NativeBuffer(PARAMS.bytes);
    const ring = libc.syscall(SYS_IO_URING.setup, RING_ENTRIES, params.address, 0, 0, 0, 0);
    if (ring < 0) return -lastErrno();
    const table = new RegisteredFiles(ring, capacity);
    const failed = table.register() || table.mapQueues(params.bytes);
    if (failed === 0) return table;
    table.close();
    return failed;
  }

  private constructor(ring: number, capacity: number) {
    this.ring = ring;
    this.capacity = capacity;
  }

  /**
   * Reserves space for the files.
   * @returns 0 or a negative errno
   */
  private register(): number {
    const empty = NativeBuffer.from(new Uint8Array(new Int32Array(this.capacity).fill(-1).buffer));
    const { register } = SYS_IO_URING;
    return libc.syscall(register, this.ring, REGISTER.files, empty.address, this.capacity, 0, 0) < 0 ? -lastErrno() : 0;
  }

  /**
   * Maps the ring's queues.
   * @returns 0 or a negative errno
   */
  private mapQueues(params: Buffer): number {
    const sqEntries = params.readUInt32LE(PARAMS.sqEntries);
    const cqEntries = params.readUInt32LE(PARAMS.cqEntries);
    const sqArray = params.readUInt32LE(PARAMS.sqArray);
    const cqes = params.readUInt32LE(PARAMS.cqes);
    const queueBytes = Math.max(sqArray + sqEntries * 4, cqes + cqEntries * CQE.words * 4);
    const queue = this.memory.mapRing(this.ring, queueBytes, 0);
    if (typeof queue === "number") return queue;
    const entry = this.memory.mapRing(this.ring, sqEntries * SQE.words * 4, OFFSET_SQES);
    if (typeof entry === "number") return entry;
    this.queue = new Int32Array(queue.buffer);
    this.entry = new Int32Array(entry.buffer);
    this.words = {
      sqTail: params.readUInt32LE(PARAMS.sqTail) / 4,
      cqHead: params.readUInt32LE(PARAMS.cqHead) / 4,
      cqes: cqes / 4,
      cqMask: cqEntries - 1,
    };
    // Entries are submitted one at a time, so all elements refer to entry 0.
    this.queue.fill(0, sqArray / 4, sqArray / 4 + sqEntries);
    return 0;
  }

  get room(): number {
    return this.capacity - this.filled;
  }

  /**
   * Registers `count` descriptors, which the caller then closes.
   *
   * @returns index of the first file, which the others follow, or a negative errno
   */
  put(fds: NativeBuffer, count: number): number {
    const first = this.filled;
    const taken = this.updateFiles(first, fds.address, count);
    if (taken < 0) return taken;
    if (taken < count) {
      for (let index = first; index < first + taken; index++) this.updateFiles(index, noFiles.address, 1);
      return -EIO;
    }
    this.filled += count;
    this.inUse += count;
    return first;
  }

  receive(index: number, buffer: NativeBuffer, length: number, flags: number): number {
    return this.submit(OP.recv, index, buffer.address, length, MSG_DONTWAIT | flags);
  }

  sendBytes(index: number, buffer: NativeBuffer, offset: number, length: number): number {
    return this.submit(OP.send, index, buffer.address + offset, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  /** Makes closing an entry send an RST. This fails before Linux 6.7 (-EINVAL, -EOPNOTSUPP). */
  makeReset(index: number): number {
    const entry = this.entry;
    this.prepare(OP.uringCmd, index);
    entry[SQE.offset] = CMD_SETSOCKOPT;
    entry[SQE.address] = SOL_SOCKET;
    entry[SQE.address + 1] = SO_LINGER;
    entry[SQE.fileIndex] = 8;
    writeAddress(entry, SQE.address3, lingerZero.address);
    return this.enter();
  }

  /** Closes an entry. */
  remove(index: number): number {
    this.inUse--;
    return this.updateFiles(index, noFiles.address, 1);
  }

  /**
   * Closes a few hundred entries starting at `first`.
   * @returns index to continue with; `filled` once all are closed
   */
  removeSome(first: number): number {
    const count = Math.min(REMOVED_AT_ONCE, this.filled - first);
    if (count > 0) this.updateFiles(first, noFiles.address, count);
    return first + count;
  }

  /** Closes the ring and every socket still in it. */
  close(): void {
    this.memory.release();
    libc.close(this.ring);
  }

  private updateFiles(offset: number, address: number, count: number): number {
    const { bytes } = this.update;
    bytes.writeUInt32LE(offset, FILES_UPDATE.offset);
    bytes.writeBigUInt64LE(BigInt(address), FILES_UPDATE.descriptors);
    const result = libc.syscall(
      SYS_IO_URING.register,
      this.ring,
      REGISTER.filesUpdate,
      this.update.address,
      count,
      0,
      0,
    );
    return result < 0 ? -lastErrno() : result;
  }

  private submit(opcode: number, index: number, address: number, length: number, flags: number): number {
    const entry = this.entry;
    this.prepare(opcode, index);
    writeAddress(entry, SQE.address, address);
    entry[SQE.length] = length;
    entry[SQE.flags] = flags;
    return this.enter();
  }

  private prepare(opcode: number, index: number): void {
    this.entry.fill(0, 0, SQE.words);
    this.entry[SQE.head] = opcode | (SQE_FLAG.fixedFile << 8);
    this.entry[SQE.fd] = index;
  }

  /** Submits entry 0, which completes immediately because nothing here blocks, and returns its result. */
  private enter(): number {
    const { sqTail, cqHead, cqes, cqMask } = this.words;
    const queue = this.queue;
    queue[sqTail]! += 1;
    if (libc.syscall(SYS_IO_URING.enter, this.ring, 1, 1, ENTER.getEvents, 0, 0) < 0) {
      const errno = lastErrno();
      // The kernel has not consumed the entry, so take it back.
      queue[sqTail]! -= 1;
      return -errno;
    }
    const head = queue[cqHead]!;
    const result = queue[cqes + (head & cqMask) * CQE.words + CQE.result]!;
    queue[cqHead] = head + 1;
    return result;
  }
}

/** Returns whether files can be registered here. Containers often forbid io_uring. */
export function canRegisterFiles(): boolean {
  const table = RegisteredFiles.open(1);
  if (typeof table === "number") return false;
  table.close();
  return true;
}
