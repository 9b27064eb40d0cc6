// Bytes on their way into the kernel: a send may wait in its ring until the peer takes more, and its caller's buffer does not. Few large
// buffers, many small ones, in one mapping that all rings of a worker share.
import { NativeMemory } from "../../linux/uring/native-memory.js";

const SMALL_BYTES = 256;
const LARGE_BYTES = 16 * 1024;
const SMALL = 1024;
const LARGE = 32;
const COUNT = SMALL + LARGE;
const NONE = -1;
/** Buffers of one connection, one behind the other, at most: so many messages a peer that does not read gets before it counts as blocked. */
const LONGEST_QUEUE = 16;

export class SendBuffers {
  /** What is left to send of each buffer, by number. */
  readonly left = new Int32Array(COUNT);
  /** Which one of the same connection is sent after it; -1 for none. */
  private readonly nexts = new Int32Array(COUNT);
  private readonly places = new Uint8Array(COUNT);
  private readonly offsets = new Int32Array(COUNT);
  private readonly memory = new NativeMemory();
  private bytes = Buffer.alloc(0);
  private base = 0;
  /** Stacks of free numbers: the small ones from 0 on, the large ones behind. */
  private readonly free = new Int32Array(COUNT);
  private freeSmall = 0;
  private freeLarge = 0;

  /** @returns 0 or a negative errno */
  begin(): number {
    const mapping = this.memory.allocate(SMALL * SMALL_BYTES + LARGE * LARGE_BYTES);
    if (typeof mapping === "number") return mapping;
    this.bytes = Buffer.from(mapping.buffer);
    this.base = mapping.address;
    for (let number = COUNT - 1; number >= 0; number--) this.giveBack(number);
    return 0;
  }

  /**
   * Copies what fits into a free buffer.
   *
   * @param after the last buffer of the same connection, -1 for none: this one is sent after it
   * @returns its number, or -1 when there is none; left[number] says how many bytes it has taken
   */
  fill(from: Buffer, offset: number, length: number, after: number): number {
    const place = after < 0 ? 0 : this.places[after]! + 1;
    if (place === LONGEST_QUEUE) return NONE;
    const isSmall = this.freeSmall > 0 && (length <= SMALL_BYTES || this.freeLarge === 0);
    if (!isSmall && this.freeLarge === 0) return NONE;
    const number = isSmall ? this.free[--this.freeSmall]! : this.free[SMALL + --this.freeLarge]!;
    const count = Math.min(length, isSmall ? SMALL_BYTES : LARGE_BYTES);
    const at = startOf(number);
    from.copy(this.bytes, at, offset, offset + count);
    this.offsets[number] = at;
    this.left[number] = count;
    this.places[number] = place;
    this.nexts[number] = NONE;
    if (after >= 0) this.nexts[after] = number;
    return number;
  }

  /** Where the rest of it lies in memory. */
  addressOf(number: number): number {
    return this.base + this.offsets[number]!;
  }

  /** The kernel has taken so many bytes of it. @returns how many are left */
  took(number: number, count: number): number {
    this.offsets[number]! += count;
    this.left[number]! -= count;
    return this.left[number]!;
  }

  /** @returns the buffer that is sent after it; -1 for none */
  giveBack(number: number): number {
    if (number < SMALL) this.free[this.freeSmall++] = number;
    else this.free[SMALL + this.freeLarge++] = number;
    return this.nexts[number]!;
  }

  /** Gives this one back, and all that come after it. */
  giveBackAll(number: number): void {
    for (let next = number; next >= 0; ) next = this.giveBack(next);
  }

  release(): void {
    this.bytes = Buffer.alloc(0);
    this.memory.release();
  }
}

function startOf(number: number): number {
  return number < SMALL ? number * SMALL_BYTES : SMALL * SMALL_BYTES + (number - SMALL) * LARGE_BYTES;
}
