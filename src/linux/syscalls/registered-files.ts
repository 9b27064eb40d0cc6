// A second kind of descriptor table: the registered files of an io_uring (man 2 io_uring_register). A socket that is
// put there stays open, and in its epoll set, after its descriptor is closed, and so no longer counts against
// RLIMIT_NOFILE of the thread. Calls on it go through the ring, one at a time and at once; epoll goes on saying when.
import { IORING, MSG_NOSIGNAL, SO_LINGER, SOL_SOCKET } from "./constants.js";
import { EIO } from "./errno.js";
import { isMapFailed, lastErrno, libc, NativeBuffer, nativeView } from "./libc.js";
import { lingerZero } from "./socket.js";

const RING_ENTRIES = 4;
const PARAMS_BYTES = 120;
const SQE_WORDS = 16;
const SQE_BYTES = SQE_WORDS * 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const IN_TABLE = 1;
const MSG_DONTWAIT = 0x40;
/** Entries removed by one call: more would keep a thread that is to stop waiting too long. */
const REMOVED_AT_ONCE = 512;

const noFiles = NativeBuffer.from(new Uint8Array(new Int32Array(REMOVED_AT_ONCE).fill(-1).buffer));

/** Up to `capacity` sockets without descriptors. Calls return what the system call would, or a negative errno. */
export class RegisteredFiles {
  readonly capacity: number;
  /** How many entries were filled, from the first on; closed ones among them are not filled again. */
  filled = 0;
  /** How many of them are still in use. */
  inUse = 0;
  private readonly ring: number;
  private readonly update = new NativeBuffer(16);
  private readonly mappings: { address: number; length: number }[] = [];
  private entry: Int32Array = new Int32Array(0);
  private queue: Int32Array = new Int32Array(0);
  private words = { sqTail: 0, cqHead: 0, cqes: 0, cqMask: 0 };

  /** @returns a negative errno where io_uring is forbidden, missing or too old, or memory is short */
  static open(capacity: number): RegisteredFiles | number {
    const params = new NativeBuffer(PARAMS_BYTES);
    const ring = libc.syscall(IORING.setup, RING_ENTRIES, params.address, 0, 0, 0, 0);
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

  /** Makes room for the files. @returns 0 or a negative errno */
  private register(): number {
    const empty = NativeBuffer.from(new Uint8Array(new Int32Array(this.capacity).fill(-1).buffer));
    const { register, registerFiles } = IORING;
    return libc.syscall(register, this.ring, registerFiles, empty.address, this.capacity, 0, 0) < 0 ? -lastErrno() : 0;
  }

  /** Maps the ring's queues. @returns 0 or a negative errno */
  private mapQueues(params: Buffer): number {
    // struct io_uring_params: sq_entries, cq_entries, …, sq_off at 40, cq_off at 80.
    const sqEntries = params.readUInt32LE(0);
    const cqEntries = params.readUInt32LE(4);
    const sqArray = params.readUInt32LE(40 + 24);
    const cqes = params.readUInt32LE(80 + 20);
    const queueBytes = Math.max(sqArray + sqEntries * 4, cqes + cqEntries * 16);
    const queue = this.map(queueBytes, 0);
    if (typeof queue === "number") return queue;
    const entry = this.map(sqEntries * SQE_BYTES, IORING.offsetSqes);
    if (typeof entry === "number") return entry;
    this.queue = queue;
    this.entry = entry;
    this.words = {
      sqTail: params.readUInt32LE(40 + 4) / 4,
      cqHead: params.readUInt32LE(80) / 4,
      cqes: cqes / 4,
      cqMask: cqEntries - 1,
    };
    // One entry is submitted at a time: every place of the ring stands for entry 0.
    this.queue.fill(0, sqArray / 4, sqArray / 4 + sqEntries);
    return 0;
  }

  get room(): number {
    return this.capacity - this.filled;
  }

  /**
   * Takes `count` descriptors in; the caller closes them afterwards.
   *
   * @returns the index of the first, the others follow it; or a negative errno
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
    return this.submit(IORING.recv, index, buffer.address, length, MSG_DONTWAIT | flags);
  }

  sendBytes(index: number, buffer: NativeBuffer, offset: number, length: number): number {
    return this.submit(IORING.send, index, buffer.address + offset, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  /** Makes the closing of an entry send RST; kernels before 6.7 cannot (-EINVAL, -EOPNOTSUPP). */
  makeReset(index: number): number {
    const entry = this.entry;
    this.prepare(IORING.uringCmd, index);
    entry[2] = IORING.cmdSetsockopt;
    entry[4] = SOL_SOCKET;
    entry[5] = SO_LINGER;
    entry[11] = 8;
    writeAddress(entry, 12, lingerZero.address);
    return this.enter();
  }

  /** Closes one entry. */
  remove(index: number): number {
    this.inUse--;
    return this.updateFiles(index, noFiles.address, 1);
  }

  /** Closes entries from `first` on, some hundreds at a time. @returns where to go on, `filled` when all are closed */
  removeSome(first: number): number {
    const count = Math.min(REMOVED_AT_ONCE, this.filled - first);
    if (count > 0) this.updateFiles(first, noFiles.address, count);
    return first + count;
  }

  /** Gives the ring back, and with it every socket still in it. */
  close(): void {
    for (const { address, length } of this.mappings) libc.munmap(address, length);
    libc.close(this.ring);
  }

  /** struct io_uring_files_update: offset, reserved, address of descriptors. */
  private updateFiles(offset: number, address: number, count: number): number {
    const { bytes } = this.update;
    bytes.writeUInt32LE(offset, 0);
    bytes.writeBigUInt64LE(BigInt(address), 8);
    const result = libc.syscall(
      IORING.register,
      this.ring,
      IORING.registerFilesUpdate,
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
    writeAddress(entry, 4, address);
    entry[6] = length;
    entry[7] = flags;
    return this.enter();
  }

  private prepare(opcode: number, index: number): void {
    this.entry.fill(0, 0, SQE_WORDS);
    this.entry[0] = opcode | (IN_TABLE << 8);
    this.entry[1] = index;
  }

  /** Submits entry 0, which completes at once because nothing here may wait, and takes its result. */
  private enter(): number {
    const { sqTail, cqHead, cqes, cqMask } = this.words;
    const queue = this.queue;
    queue[sqTail]! += 1;
    if (libc.syscall(IORING.enter, this.ring, 1, 1, IORING.enterGetEvents, 0, 0) < 0) {
      const errno = lastErrno();
      // Not taken by the kernel: take it back.
      queue[sqTail]! -= 1;
      return -errno;
    }
    const head = queue[cqHead]!;
    const result = queue[cqes + (head & cqMask) * 4 + 2]!;
    queue[cqHead] = head + 1;
    return result;
  }

  /** @returns the words, or a negative errno */
  private map(length: number, offset: number): Int32Array | number {
    const address = libc.mmap(0, length, PROT_READ_WRITE, MAP_SHARED_POPULATE, this.ring, offset);
    if (isMapFailed(address)) return -lastErrno();
    this.mappings.push({ address, length });
    return new Int32Array(nativeView(address, length));
  }
}

/** Whether registered files are to be had here: containers often forbid io_uring. */
export function canRegisterFiles(): boolean {
  const table = RegisteredFiles.open(1);
  if (typeof table === "number") return false;
  table.close();
  return true;
}

function writeAddress(entry: Int32Array, word: number, address: number): void {
  entry[word] = address | 0;
  entry[word + 1] = Math.floor(address / 2 ** 32);
}
