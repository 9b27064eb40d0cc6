// Small buffers for bytes on their way into the kernel, whose callers do not keep them: as many as may be sent in one turn.
import { NativeMemory } from "../../linux/uring/native-memory.js";

/** Larger sends wait for the kernel's answer, and need no buffer. */
export const SEND_BYTES = 512;
const COUNT = 2048;
const NONE = -1;

export class SendBuffers {
  /** Whose bytes they are, and how many are left to send. By number. */
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

  /** Copies `length` bytes, SEND_BYTES at most. @returns the buffer's number, -1 when there is none */
  fill(slot: number, from: Buffer, offset: number, length: number): number {
    if (this.freeCount === 0) return NONE;
    const number = this.free[--this.freeCount]!;
    from.copy(this.bytes, number * SEND_BYTES, offset, offset + length);
    this.slots[number] = slot;
    this.left[number] = length;
    this.starts[number] = 0;
    return number;
  }

  /** Where the rest of it lies in memory. */
  addressOf(number: number): number {
    return this.base + number * SEND_BYTES + this.starts[number]!;
  }

  /** The kernel has taken so many bytes of it. @returns how many are left */
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
