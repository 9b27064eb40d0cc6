// Provided buffers, which the kernel assigns to a ring's receives when data arrives (IORING_REGISTER_PBUF_RING, Linux
// 5.19), so that idle connections need no buffers. A completion contains the ID of its buffer, which belongs to the
// reader until it is returned.
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { BUF, BUF_REG, REGISTER, SYS_IO_URING } from "./abi.js";
import { NativeMemory } from "./native-memory.js";
import type { Ring } from "./ring.js";

const PAGE_BYTES = 4096;
const BUF_WORDS = BUF.bytes / 4;
const BUF_HALVES = BUF.bytes / 2;
const TAIL_HALF = BUF.reserved / 2;
const NOTHING = new ArrayBuffer(0);
const EMPTY = new NativeBuffer(0);

const registration = new NativeBuffer(BUF_REG.bytes);

/** A group of `count` buffers of `size` bytes. `count` must be a power of two. */
export class ProvidedBuffers {
  readonly group: number;
  readonly size: number;
  /** All buffers, concatenated; see offsetOf(). Empty once released. */
  memory: NativeBuffer = EMPTY;
  private readonly ring: Ring;
  private readonly mask: number;
  private readonly mappings = new NativeMemory();
  private words = new Int32Array(NOTHING);
  private halves = new Uint16Array(NOTHING);
  private tail = 0;

  /**
   * Registers a group of buffers.
   *
   * @param group ID used by receives
   * @returns a negative errno if the system is out of memory or the kernel is too old
   */
  static register(ring: Ring, count: number, size: number, group: number): ProvidedBuffers | number {
    const buffers = new ProvidedBuffers(ring, count, size, group);
    const failed = buffers.map(count);
    if (failed === 0) return buffers;
    buffers.release();
    return failed;
  }

  private constructor(ring: Ring, count: number, size: number, group: number) {
    this.ring = ring;
    this.mask = count - 1;
    this.size = size;
    this.group = group;
  }

  private map(count: number): number {
    const listBytes = Math.ceil((count * BUF.bytes) / PAGE_BYTES) * PAGE_BYTES;
    // The list must be page-aligned.
    const mapping = this.mappings.allocate(listBytes + count * this.size);
    if (typeof mapping === "number") return mapping;
    const { bytes } = registration;
    bytes.fill(0);
    bytes.writeBigUInt64LE(BigInt(mapping.address), BUF_REG.address);
    bytes.writeUInt32LE(count, BUF_REG.entries);
    bytes.writeUInt16LE(this.group, BUF_REG.group);
    const { register } = SYS_IO_URING;
    if (libc.syscall(register, this.ring.fd, REGISTER.pbufRing, registration.address, 1, 0, 0) < 0) return -lastErrno();
    this.words = new Int32Array(mapping.buffer, 0, listBytes / 4);
    this.halves = new Uint16Array(mapping.buffer, 0, listBytes / 2);
    this.memory = new NativeBuffer(count * this.size, mapping.address + listBytes);
    for (let n = 0; n < count; n++) this.giveBack(n);
    this.publish();
    return 0;
  }

  /** Returns the offset of buffer `id` in `memory`. */
  offsetOf(id: number): number {
    return id * this.size;
  }

  /** Returns buffer `id` to the kernel, effective after the next publish(). */
  giveBack(id: number): void {
    const place = this.tail & this.mask;
    const address = this.memory.address + this.offsetOf(id);
    const at = place * BUF_WORDS;
    this.words[at] = address | 0;
    this.words[at + 1] = (address / 2 ** 32) | 0;
    this.words[at + BUF.length / 4] = this.size;
    this.halves[place * BUF_HALVES + BUF.id / 2] = id;
    this.tail = (this.tail + 1) & 0xffff;
  }

  /** Makes returned buffers visible to the kernel. */
  publish(): void {
    // The array is empty once the memory is released, and Atomics would throw.
    if (this.halves.length > 0) Atomics.store(this.halves, TAIL_HALF, this.tail);
  }

  /** Releases the memory. The ring must be closed first. */
  release(): void {
    this.words = new Int32Array(NOTHING);
    this.halves = new Uint16Array(NOTHING);
    this.memory = EMPTY;
    this.mappings.release();
  }
}
