// Bytes of connections that came in part: the beginning of a head or of a frame, kept until the rest comes. Peers cut where they like, most of
// them nowhere: so nothing is kept for most, and all that is kept has one bound.

/** Of all connections of a worker together. A peer decides how much of a head it sends, and must not decide how much memory we hold. */
const MOST_BYTES = 16 * 1024 * 1024;

export class Leftovers {
  /** What join() has put together. */
  joined = Buffer.alloc(4096);
  private readonly kept = new Map<number, Uint8Array>();
  private bytes = 0;

  /** Keeps bytes `start` to `end` for `slot`, for which nothing is kept. @returns whether there was room */
  keep(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.bytes + end - start > MOST_BYTES) return false;
    this.bytes += end - start;
    // A copy: slice() of a Buffer is none.
    this.kept.set(slot, new Uint8Array(bytes.subarray(start, end)));
    return true;
  }

  /** Puts what is kept for `slot` before bytes `start` to `end`, in `joined`, and keeps it no longer. @returns the length of both */
  join(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const before = this.kept.get(slot)!;
    const length = before.length + end - start;
    if (length > this.joined.length) this.joined = Buffer.alloc(Math.max(length, 2 * this.joined.length));
    this.joined.set(before);
    this.joined.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), before.length);
    this.drop(slot);
    return length;
  }

  /** Forgets what is kept for `slot`, if anything is. */
  drop(slot: number): void {
    const before = this.kept.get(slot);
    if (before === undefined) return;
    this.bytes -= before.length;
    this.kept.delete(slot);
  }
}
