// Buffers incomplete heads and frames until the rest arrives. Most reads end on a boundary, so most connections have no
// buffer, and a single limit applies to all buffers together.

/**
 * Limit for all connections of a worker. A peer controls how much of a head it sends, so memory per peer must be
 * bounded.
 */
const MOST_BYTES = 16 * 1024 * 1024;

export class Leftovers {
  /** Output of join(). */
  joined = Buffer.alloc(4096);
  private readonly kept = new Map<number, Uint8Array>();
  private bytes = 0;

  /** Buffers bytes `start` to `end` for `slot`, which must have none buffered. @returns whether there was room */
  keep(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.bytes + end - start > MOST_BYTES) return false;
    this.bytes += end - start;
    // Copies: slice() of a Buffer would not.
    this.kept.set(slot, new Uint8Array(bytes.subarray(start, end)));
    return true;
  }

  /**
   * Joins the buffered bytes of `slot` and bytes `start` to `end` into `joined`, and releases the buffer.
   * @returns total length
   */
  join(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const before = this.kept.get(slot)!;
    const length = before.length + end - start;
    if (length > this.joined.length) this.joined = Buffer.alloc(Math.max(length, 2 * this.joined.length));
    this.joined.set(before);
    this.joined.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), before.length);
    this.drop(slot);
    return length;
  }

  /** Releases the buffer of `slot`, if any. */
  drop(slot: number): void {
    const before = this.kept.get(slot);
    if (before === undefined) return;
    this.bytes -= before.length;
    this.kept.delete(slot);
  }
}
