// Queues for bytes that peers have not acknowledged, and for bytes that the role has not read. All queues of a
// worker share one pool of small chunks, linked by number, so a queue takes memory only for the bytes it has.
import { NativeBuffer } from "../../../linux/syscalls/libc.js";
import { grown } from "./connections.js";

const CHUNK_BYTES = 128;
const CHUNK_SHIFT = 7;
const FIRST_CHUNKS = 64;
/** Maximum number of chunks in all queues together: 128 MiB. */
const MOST_CHUNKS = 2 ** 20;
const NONE = -1;

/** The chunk pool, and the queues, indexed by number. A queue whose number is unused must be empty. */
export class ByteQueues {
  /** Number of bytes in each queue. */
  length = new Uint32Array(0);
  /** First and last chunk of each queue. */
  private first = new Int32Array(0);
  private last = new Int32Array(0);
  /** Offset of the first byte in the first chunk. */
  private skipped = new Uint8Array(0);
  private memory = new NativeBuffer(FIRST_CHUNKS * CHUNK_BYTES);
  private next = new Int32Array(FIRST_CHUNKS);
  private unused = NONE;
  private end = 0;
  private used = 0;

  /** Makes room for `count` queues. */
  resize(count: number): void {
    this.length = grown(this.length, new Uint32Array(count));
    this.first = grown(this.first, new Int32Array(count));
    this.last = grown(this.last, new Int32Array(count));
    this.skipped = grown(this.skipped, new Uint8Array(count));
  }

  /** Whether there is room for at least another chunk of bytes. */
  get hasRoom(): boolean {
    return this.used < MOST_CHUNKS;
  }

  /** Returns how many bytes can be appended to a queue; to a new one if it is negative. */
  roomFor(queue: number): number {
    const length = queue < 0 ? 0 : this.length[queue]!;
    const inLast = length === 0 ? 0 : -(this.skipped[queue]! + length) & (CHUNK_BYTES - 1);
    return (MOST_CHUNKS - this.used) * CHUNK_BYTES + inLast;
  }

  /**
   * Memory of the chunks, in which the ranges from view() lie. The buffer is replaced when it grows, so do not
   * store it.
   */
  get buffer(): NativeBuffer {
    return this.memory;
  }

  /**
   * Appends bytes.
   * @returns number of bytes for which there was room
   */
  append(queue: number, bytes: Uint8Array, offset: number, length: number): number {
    let left = length;
    let from = offset;
    while (left > 0) {
      const filled = (this.skipped[queue]! + this.length[queue]!) & (CHUNK_BYTES - 1);
      if (filled === 0 || this.length[queue] === 0) {
        const chunk = this.take();
        if (chunk < 0) break;
        this.link(queue, chunk);
      }
      const at = this.length[queue] === 0 ? 0 : filled;
      const count = Math.min(left, CHUNK_BYTES - at);
      const to = (this.last[queue]! << CHUNK_SHIFT) + at;
      const { bytes: memory } = this.memory;
      for (let i = 0; i < count; i++) memory[to + i] = bytes[from + i]!;
      this.length[queue]! += count;
      from += count;
      left -= count;
    }
    return length - left;
  }

  /** Copies `length` bytes, starting with byte `skip` of the queue, to a buffer. */
  copy(queue: number, skip: number, length: number, to: Uint8Array, at: number): void {
    const { bytes } = this.memory;
    let chunk = this.first[queue]!;
    let offset = this.skipped[queue]! + skip;
    for (; offset >= CHUNK_BYTES; offset -= CHUNK_BYTES) chunk = this.next[chunk]!;
    let place = at;
    for (let left = length; left > 0; ) {
      const count = Math.min(left, CHUNK_BYTES - offset);
      const from = (chunk << CHUNK_SHIFT) + offset;
      for (let i = 0; i < count; i++) to[place + i] = bytes[from + i]!;
      place += count;
      left -= count;
      offset = 0;
      chunk = this.next[chunk]!;
    }
  }

  /** Removes the first `count` bytes. */
  drop(queue: number, count: number): void {
    let left = count;
    while (left > 0) {
      const inChunk = Math.min(CHUNK_BYTES - this.skipped[queue]!, this.length[queue]!);
      const taken = Math.min(left, inChunk);
      left -= taken;
      this.length[queue]! -= taken;
      this.skipped[queue]! += taken;
      if (taken < inChunk) return;
      const chunk = this.first[queue]!;
      this.first[queue] = this.next[chunk]!;
      this.skipped[queue] = 0;
      this.give(chunk);
    }
  }

  clear(queue: number): void {
    this.drop(queue, this.length[queue]!);
  }

  /** Appends a chunk to the queue's list. A queue without bytes has no chunks. */
  private link(queue: number, chunk: number): void {
    if (this.length[queue] === 0) {
      this.first[queue] = chunk;
      this.skipped[queue] = 0;
    } else this.next[this.last[queue]!] = chunk;
    this.last[queue] = chunk;
  }

  private take(): number {
    if (this.used >= MOST_CHUNKS) return NONE;
    this.used++;
    if (this.unused !== NONE) {
      const chunk = this.unused;
      this.unused = this.next[chunk]!;
      return chunk;
    }
    if (this.end === this.next.length) this.growPool();
    return this.end++;
  }

  private give(chunk: number): void {
    this.next[chunk] = this.unused;
    this.unused = chunk;
    this.used--;
  }

  private growPool(): void {
    const chunks = this.next.length * 2;
    const memory = new NativeBuffer(chunks * CHUNK_BYTES);
    memory.bytes.set(this.memory.bytes);
    this.memory = memory;
    this.next = grown(this.next, new Int32Array(chunks));
  }
}
