// Small buffers for data that callers may overwrite before the kernel has accepted it. There are enough buffers for
// the sends of one turn.
import { NativeMemory } from "../../linux/uring/native-memory.js";

/** Size of a buffer. Larger sends wait for their result and need no buffer. */
export const SEND_BYTES = 512;
const COUNT = 2048;
const NONE = -1;

export class SendBuffers {
  /** Per buffer: the connection's slot and the number of bytes left to send. */
  readonly slots = new Int32Array(COUNT);
  readonly left = new Int32Array(COUNT);
  private readonly starts = new Int32Array(COUNT);
  private readonly memory = new NativeMemory();
  private bytes = Buffer.alloc(0);
  private base = 0;
  private readonly free = new Int16Array(COUNT);
  private freeCount = 0;

  /** @returns 0 or a negative errno */
  begin(): number {
    const mapping = this.memory.allocate(COUNT * SEND_BYTES);
    if (typeof mapping === "number") return mapping;
    this.bytes = Buffer.from(mapping.buffer);
    this.base = mapping.address;
    for (let number = COUNT - 1; number >= 0; number--) this.giveBack(number);
    return 0;
  }

  /**
   * Copies `length` bytes, at most SEND_BYTES.
   * @returns number of the buffer, or -1 if none is free
   */
  fill(slot: number, from: Buffer, offset: number, length: number): number {
    if (this.freeCount === 0) return NONE;
    const number = this.free[--this.freeCount]!;
    from.copy(this.bytes, number * SEND_BYTES, offset, offset + length);
    this.slots[number] = slot;
    this.left[number] = length;
    this.starts[number] = 0;
    return number;
  }

  /** Returns the address of the unsent bytes. */
  addressOf(number: number): number {
    return this.base + number * SEND_BYTES + this.starts[number]!;
  }

  /**
   * Records that the kernel accepted `count` bytes.
   * @returns number of bytes left
   */
  took(number: number, count: number): number {
    this.starts[number]! += count;
    this.left[number]! -= count;
    return this.left[number]!;
  }

  giveBack(number: number): void {
    this.free[this.freeCount++] = number;
  }

  release(): void {
    this.bytes = Buffer.alloc(0);
    this.memory.release();
  }
}
