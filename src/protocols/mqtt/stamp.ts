// The stamp at the beginning of a payload: who published the message, its sequence number, and when it was due. The
// stamp lets any receiver, even in another thread or program, measure latency and detect lost and repeated messages.

/** Marks the beginning of a stamp. */
const MAGIC = 0x34_74_70_6c;
export const STAMP_SIZE = 24;

export interface Stamp {
  /** Random number of the worker, which distinguishes runs. */
  publisher: number;
  /** The publishing connection's number in its run. */
  number: number;
  /** Number of the message on its connection, starting at 1. */
  sequence: number;
  /** Time at which the message was due, in microseconds since the epoch. */
  dueUs: number;
}

export function writeStamp(view: DataView, at: number, stamp: Stamp): void {
  view.setUint32(at, MAGIC);
  view.setUint32(at + 4, stamp.publisher);
  view.setUint32(at + 8, stamp.number);
  view.setUint32(at + 12, stamp.sequence);
  view.setFloat64(at + 16, stamp.dueUs);
}

const floats = new DataView(new ArrayBuffer(8));

/**
 * Reads the stamp at `at` into `stamp`.
 * @param end end of the bytes available
 * @returns whether there is a stamp
 */
export function readStamp(stamp: Stamp, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < STAMP_SIZE || uint32At(bytes, at) !== MAGIC) return false;
  stamp.publisher = uint32At(bytes, at + 4);
  stamp.number = uint32At(bytes, at + 8);
  stamp.sequence = uint32At(bytes, at + 12);
  for (let n = 0; n < 8; n++) floats.setUint8(n, bytes[at + 16 + n]!);
  stamp.dueUs = floats.getFloat64(0);
  // The next sequence number must fit in 32 bits as well.
  return stamp.sequence > 0 && stamp.sequence < 0xffff_ffff;
}

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
