// Buffers incomplete heads and frames until the rest arrives. Most reads end on a boundary, so most connections need no
// buffer. A single limit applies to all buffers together.

/**
 * Limit on the buffers of all of a worker's connections together. Peers decide how much of a head they send, so the
 * memory for incomplete heads must be bounded.
 */
const MOST_BYTES = 16 * 1024 * 1024;

/** A buffer whose first `length` bytes are in use. */
interface Buffered {
  bytes: Uint8Array;
  length: number;
}

export class Leftovers {
  /** Output of join(). */
  joined = Buffer.alloc(4096);
  private readonly kept = new Map<number, Buffered>();
  /** Total size of all buffers. */
  private bytes = 0;

  /**
   * Appends bytes `start` to `end` to the buffer of `slot`.
   * @returns whether there was room
   */
  keep(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const before = this.kept.get(slot);
    if (before === undefined) return this.begin(slot, bytes, start, end);
    const length = before.length + end - start;
    if (length > before.bytes.length) {
      // Double the buffer: a head that arrives byte by byte would otherwise be copied with every byte.
      if (this.bytes + 2 * length - before.bytes.length > MOST_BYTES) return false;
      const larger = new Uint8Array(2 * length);
      larger.set(before.bytes);
      this.bytes += larger.length - before.bytes.length;
      before.bytes = larger;
    }
    before.bytes.set(bytes.subarray(start, end), before.length);
    before.length = length;
    return true;
  }

  /** Returns the number of bytes buffered for `slot`. */
  lengthOf(slot: number): number {
    return this.kept.size === 0 ? 0 : (this.kept.get(slot)?.length ?? 0);
  }

  /** Returns the buffer of `slot`, which must have one. The buffer may be longer than its content. */
  bytesOf(slot: number): Uint8Array {
    return this.kept.get(slot)!.bytes;
  }

  /**
   * Joins the buffered bytes of `slot` and bytes `start` to `end` into `joined`, and releases the buffer.
   * @returns total length
   */
  join(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const before = this.kept.get(slot)!;
    const length = before.length + end - start;
    if (length > this.joined.length) this.joined = Buffer.alloc(Math.max(length, 2 * this.joined.length));
    this.joined.set(before.bytes.subarray(0, before.length));
    this.joined.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), before.length);
    this.drop(slot);
    return length;
  }

  /** Releases the buffer of `slot`, if any. */
  drop(slot: number): void {
    const before = this.kept.size === 0 ? undefined : this.kept.get(slot);
    if (before === undefined) return;
    this.bytes -= before.bytes.length;
    this.kept.delete(slot);
  }

  private begin(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.bytes + end - start > MOST_BYTES) return false;
    this.bytes += end - start;
    // This copies the bytes; slice() of a Buffer would not.
    this.kept.set(slot, { bytes: new Uint8Array(bytes.subarray(start, end)), length: end - start });
    return true;
  }
}
